/** A streamed answer as a list of what is sent and when. A fault is a different list. */
import type { Answer } from './answer';
import type { Fault, ModelBehaviour } from './behaviour';
import type { CompletionBody } from './completion';
import { countTokens, truncateToTokens } from './tokens';

interface StreamStep {
  /** Milliseconds after the previous step. */
  readonly afterMs: number;
  /** As sent over the wire. */
  readonly text: string;
  /** Completion tokens generated so far, including this step. */
  readonly completionTokens: number;
}

type Steps = readonly StreamStep[];

export interface StreamScript {
  readonly steps: Steps;
  /** What the provider does after the last step. */
  readonly ending: 'end' | 'reset' | 'stay-open';
  readonly outcome: 'answered' | 'faulty';
  /** Index of the step after which the outcome is certain; null if the client ends the call. */
  readonly decidedAt: number | null;
}

/** Faults that are not a list of chunks; `sendFaultyAnswer` sends them. */
export type WholeBodyFault = Extract<Fault, { kind: 'html' | 'large-body' | 'slow-body' | 'json-instead-of-stream' }>;
type ScriptedFault = Exclude<Fault, WholeBodyFault | { kind: 'status' | 'reset' | 'silence' }>;

export interface StreamOptions extends Pick<ModelBehaviour, 'firstTokenMs' | 'pieceGapMs'> {
  readonly includeUsage: boolean;
}

/** The response to a call with `stream: true`. */
export function streamScript(
  body: CompletionBody,
  answer: Answer,
  options: StreamOptions,
  fault: ScriptedFault | null,
): StreamScript {
  const firstTokenMs = fault?.kind === 'late-first-token' ? fault.ms : options.firstTokenMs;
  const { chunk, usageEvent, role, textSteps, finish, usage, done } = chunksOf(body, answer, {
    ...options,
    firstTokenMs,
  });
  const tail = [finish, ...usage, done];
  if (fault === null || fault.kind === 'late-first-token')
    return whole([role, ...textSteps, ...tail], finish, 'answered');

  const afterTokens = 'afterTokens' in fault ? fault.afterTokens : undefined;
  const cutAt = pieceCount(textSteps, afterTokens ?? answer.completionTokens / 2);
  const prefix = [role, ...textSteps.slice(0, cutAt)];
  const completionTokens = prefix.at(-1)?.completionTokens ?? 0;
  switch (fault.kind) {
    case 'reset-mid-body':
      return broken(prefix, 'reset');
    case 'cut':
      return broken(prefix, 'end');
    case 'stall':
      return broken(prefix, 'stay-open');
    case 'error-in-body':
      return broken([...prefix, { afterMs: 0, text: eventOf(errorBody(fault)), completionTokens }], 'end');
    case 'invalid-json': {
      const [next = finish, ...rest] = textSteps.slice(cutAt);
      const half = { ...next, text: `${next.text.slice(0, next.text.length / 2)}\n\n` };
      return whole([...prefix, half, ...rest, ...tail], finish, 'faulty');
    }
    case 'no-choices':
      return broken([...usage, done], 'end');
    case 'null-content': {
      const withheld = chunk({ role: 'assistant', content: null }, null, 0);
      const end = chunk({}, fault.finishReason ?? 'stop', answer.completionTokens);
      return broken([withheld, end, ...usage, done], 'end');
    }
    case 'no-usage':
      return whole([role, ...textSteps, finish, done], finish, 'faulty');
    case 'false-usage': {
      const claim = usage.map((step) => ({ ...step, text: usageEvent(fault.usage) }));
      return whole([role, ...textSteps, finish, ...claim, done], finish, 'answered');
    }
    case 'no-done':
      break;
  }
  const end = fault.withUsage === false ? [finish] : [finish, ...usage];
  return { ...whole([role, ...textSteps, ...end], finish, 'answered'), ending: fault.staysOpen ? 'stay-open' : 'end' };
}

export function errorBody({ message, type, code }: Extract<Fault, { kind: 'error-in-body' }>) {
  const words = message ?? 'The server had an error while processing your request.';
  return { error: { message: words, type: type ?? 'server_error', param: null, code: code ?? null } };
}

function chunksOf(body: CompletionBody, answer: Answer, options: StreamOptions) {
  const { usage, ...rest } = body;
  const envelope = { ...rest, object: 'chat.completion.chunk' };
  const all = answer.completionTokens;
  const chunk = (delta: object, finishReason: string | null, completionTokens: number, afterMs = 0): StreamStep => {
    const choices = [{ index: 0, delta, finish_reason: finishReason }];
    return { afterMs, text: eventOf({ ...envelope, choices }), completionTokens };
  };
  const usageEvent = (claimed: unknown): string => eventOf({ ...envelope, choices: [], usage: claimed });
  const usageChunk = { afterMs: 0, text: usageEvent(usage), completionTokens: all };
  return {
    chunk,
    usageEvent,
    role: chunk({ role: 'assistant', content: answer.toolCalls.length > 0 ? null : '' }, null, 0),
    textSteps: answerPieces(answer).map(({ delta, completionTokens }, index) =>
      chunk(delta, null, completionTokens, index === 0 ? options.firstTokenMs : options.pieceGapMs),
    ),
    finish: chunk({}, answer.finishReason, all),
    usage: options.includeUsage ? [usageChunk] : [],
    done: { afterMs: 0, text: 'data: [DONE]\n\n', completionTokens: all },
  };
}

/** The answer is complete at `finish`; from then on it does not matter who ends the call. */
function whole(steps: Steps, finish: StreamStep, outcome: StreamScript['outcome']): StreamScript {
  return { steps, ending: 'end', outcome, decidedAt: steps.indexOf(finish) };
}

function broken(steps: Steps, ending: StreamScript['ending']): StreamScript {
  return { steps, ending, outcome: 'faulty', decidedAt: ending === 'stay-open' ? null : steps.length - 1 };
}

function eventOf(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** The number of pieces that contain the first `tokens` tokens. */
function pieceCount(textSteps: Steps, tokens: number): number {
  if (tokens <= 0) return 0;
  const index = textSteps.findIndex(({ completionTokens }) => completionTokens >= tokens);
  return index < 0 ? textSteps.length : index + 1;
}

/** A few tokens at a time, like providers under load. */
const tokensPerPiece = 3;

interface AnswerPiece {
  readonly delta: object;
  /** Completion tokens generated so far, including this piece. */
  readonly completionTokens: number;
}

/** The deltas of an answer: its thoughts and its text in pieces, or its tool calls, each with the name first and then the arguments. */
function answerPieces({ content, thoughts, toolCalls }: Answer): readonly AnswerPiece[] {
  const deltas: { readonly delta: object; readonly text: string }[] = [
    ...textPieces(thoughts).map((text) => ({ delta: { reasoning_content: text }, text })),
    ...textPieces(content).map((text) => ({ delta: { content: text }, text })),
  ];
  toolCalls.forEach(({ id, type, function: { name, arguments: argumentsJson } }, index) => {
    const opening = { index, id, type, function: { name, arguments: '' } };
    deltas.push({ delta: { tool_calls: [opening] }, text: name });
    for (const text of textPieces(argumentsJson)) {
      deltas.push({ delta: { tool_calls: [{ index, function: { arguments: text } }] }, text });
    }
  });
  let generated = '';
  return deltas.map((each) => {
    generated += each.text;
    return { delta: each.delta, completionTokens: countTokens(generated) };
  });
}

/** Splits a text into pieces of a few tokens without splitting characters. */
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
