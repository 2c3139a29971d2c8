import type { Target } from '../contract/policy';
import type { AttemptTicket, ModelCallInput } from '../contract/turn';
import { AnswerSoFar } from '../domain/answer-so-far';
import { utf8Length } from '../domain/text';
import { completionLimit } from './admit-turn';
import type { ActivityDependencies } from './dependencies';

/** Tokens are four bytes long on average, and a few are runs of spaces. */
const mostBytesPerToken = 32;

/**
 * What callers may have seen of a streamed turn's answer from its earlier attempts; '' when this one has nothing to go on
 * from, or its target is not to be asked to. More text than the turn's tokens can be is no answer, and to send it on would
 * cost more than to begin anew.
 */
export async function begunAnswer(
  { streams, targets, policy }: ActivityDependencies,
  { turnId, delivery, maxTokens, modelOptions }: ModelCallInput,
  target: Target,
  ticket: AttemptTicket | null,
): Promise<string> {
  if (delivery !== 'streamed' || ticket?.attempt === 1) return '';
  if (!target.continues || targets.refusesPrefill(target) || mayBeStructured(modelOptions)) return '';
  const answer = new AnswerSoFar();
  for (const piece of await streams.pieces(turnId)) answer.take(piece);
  const isPossible = utf8Length(answer.text) <= completionLimit(policy, maxTokens) * mostBytesPerToken;
  return isPossible ? answer.text : '';
}

/**
 * JSON that broke off is gone on from with whatever makes a whole document by itself, and both together are none: one that
 * looks like an answer. A model that may call a tool may do so in place of the rest.
 */
function mayBeStructured(modelOptions: ModelCallInput['modelOptions'] = {}): boolean {
  const { tools, response_format: format } = modelOptions;
  const isText = format === undefined || format === null || (format as { type?: unknown }).type === 'text';
  return !isText || (tools !== undefined && tools !== null);
}
