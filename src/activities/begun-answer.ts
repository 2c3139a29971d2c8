import type { Target } from '../contract/policy';
import type { AttemptTicket, ModelCallInput } from '../contract/turn';
import { AnswerSoFar } from '../domain/answer-so-far';
import type { ActivityDependencies } from './dependencies';

/**
 * What callers may have seen of a streamed turn's answer from its earlier attempts; '' when this one has nothing to go on
 * from, or its target is not to be asked to.
 */
export async function begunAnswer(
  { streams, targets }: ActivityDependencies,
  { turnId, delivery }: ModelCallInput,
  target: Target,
  ticket: AttemptTicket | null,
): Promise<string> {
  if (delivery !== 'streamed' || ticket?.attempt === 1) return '';
  if (!target.continues || targets.refusesPrefill(target)) return '';
  const answer = new AnswerSoFar();
  for (const piece of await streams.pieces(turnId)) answer.take(piece);
  return answer.text;
}
