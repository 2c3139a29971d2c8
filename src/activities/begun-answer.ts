import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from '../contract/policy';
import type { StreamPiece, TurnStreams } from '../contract/stream';
import type { AttemptTicket, ModelCallInput } from '../contract/turn';
import { AnswerSoFar } from '../domain/answer-so-far';
import type { ActivityDependencies } from './dependencies';

/** A Redis answers within milliseconds; one that is away must not hold up a turn, which can begin anew without it. */
const readWithinMs = 1_000;

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
  for (const piece of await knownPieces(streams, turnId)) answer.take(piece);
  return answer.text;
}

async function knownPieces(streams: TurnStreams, turnId: string): Promise<readonly StreamPiece[]> {
  const timer = new AbortController();
  try {
    const outOfTime = delay(readWithinMs, [], { signal: timer.signal, ref: false });
    // Whichever fails, a stream that cannot be read is like one that is gone.
    return await Promise.race([streams.pieces(turnId), outOfTime]).catch(() => []);
  } finally {
    timer.abort();
  }
}
