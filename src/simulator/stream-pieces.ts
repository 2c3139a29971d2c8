import type { Answer } from './answer';
import { countTokens, truncateToTokens } from './tokens';

/** A few tokens at a time, as providers send them under load. */
const tokensPerPiece = 3;

interface AnswerPiece {
  readonly delta: object;
  /** Tokens that the model has said with this piece. */
  readonly completionTokens: number;
}

/** The deltas of an answer: its text in pieces, or its tool calls, each with its name first and then its arguments. */
export function answerPieces({ content, toolCalls }: Answer): readonly AnswerPiece[] {
  const deltas: { readonly delta: object; readonly said: string }[] = textPieces(content).map((text) => ({
    delta: { content: text },
    said: text,
  }));
  toolCalls.forEach(({ id, type, function: { name, arguments: argumentsJson } }, index) => {
    const opening = { index, id, type, function: { name, arguments: '' } };
    deltas.push({ delta: { tool_calls: [opening] }, said: name });
    for (const text of textPieces(argumentsJson)) {
      deltas.push({ delta: { tool_calls: [{ index, function: { arguments: text } }] }, said: text });
    }
  });
  let said = '';
  return deltas.map((each) => {
    said += each.said;
    return { delta: each.delta, completionTokens: countTokens(said) };
  });
}

/** The text in pieces of a few tokens; no character is parted. */
function textPieces(text: string): readonly string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length;) {
    // A token has at most four UTF-16 units.
    const next = truncateToTokens(text.slice(start, start + 4 * tokensPerPiece), tokensPerPiece);
    const partsPair = /[\uD800-\uDBFF]$/.test(next);
    const end = start + next.length + (partsPair ? 1 : 0);
    pieces.push(text.slice(start, end));
    start = end;
  }
  return pieces;
}
