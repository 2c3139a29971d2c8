import { once } from 'node:events';
import { handleWhen, IterableBackoff, retry } from 'cockatiel';

/** Delays between tries of a call that a restarting server or worker lost: short at first, as most restarts are. */
const retryDelaysMs = [50, 200, 500, 1_000, 2_000];

interface WaitOutOptions {
  /** Whether repeating the call may succeed and does no harm. */
  readonly isPassing: (error: unknown) => boolean;
  /** No delay extends past it. The call itself must respect it too. */
  readonly deadlineAtMs: number;
  /** Ends the waiting at once; rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** Repeats a call while its errors are transient, until the deadline. @throws the last error */
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
    // An abort does not cut a delay short, and a call after it might find the connection closed.
    signal?.throwIfAborted();
    tries += 1;
    return call();
  }, signal);
  if (signal === undefined) return answer;
  const aborted = once(signal, 'abort').then(() => Promise.reject(signal.reason));
  return Promise.race([answer, aborted]);
}
