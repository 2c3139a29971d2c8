import { Context } from '@temporalio/activity';

/** A third of the workflows' heartbeat timeout (10 s): two may be lost before a worker counts as dead. */
const heartbeatEveryMs = 3_000;

/** Does the work of an activity, telling Temporal meanwhile that this worker lives. */
export async function withHeartbeats<T>(work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const heartbeats = setInterval(() => context.heartbeat(), heartbeatEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(heartbeats);
  }
}
