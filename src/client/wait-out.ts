import { once } from 'node:events';
import { handleWhen, IterableBackoff, retry } from 'cockatiel';

/** Between tries of a call that a restarting server or worker lost: short at first, because most restarts are. */
const retryDelaysMs = [50, 200, 500, 1_000, 2_000];

interface WaitOutOptions {
  /** Whether the call may succeed when it is made again, and making it again does no harm. */
  readonly isPassing: (error: unknown) => boolean;
  /** No delay reaches beyond it. The call itself has to heed it, too. */
  readonly deadlineAtMs: number;
  /** Ends the waiting at once; rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Repeats a call while Temporal has a passing fault, until the deadline. @throws what the last try threw */
export async function waitOut<Answer>(
  call: () => Promise<Answer>,
  { isPassing, deadlineAtMs, signal }: WaitOutOptions,
): Promise<Answer> {
  let tries = 0;
  const policy = retry(
    handleWhen((error) => {
      const delayMs = retryDelaysMs[Math.min(tries, retryDelaysMs.length) - 1] ?? 0;
      return isPassing(error) && Date.now() + delayMs < deadlineAtMs;
    }),
    { maxAttempts: Number.MAX_SAFE_INTEGER, backoff: new IterableBackoff(retryDelaysMs) },
  );
  const answer = policy.execute(() => {
    // An abort does not end a delay, and a call after it could find the connection closed.
    signal?.throwIfAborted();
    tries += 1;
    return call();
  }, signal);
  if (signal === undefined) return answer;
  const aborted = once(signal, 'abort').then(() => Promise.reject(signal.reason));
  return Promise.race([answer, aborted]);
}
