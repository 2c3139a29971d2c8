// What lets an activity's call of the gateway be tried again without being paid for again.
import { createHash } from 'node:crypto';
import { ApplicationFailure, Context } from '@temporalio/activity';

/** A third of the heartbeat timeout in workflows.mjs: two heartbeats may be lost. */
const heartbeatEveryMs = 3_000;

/** `fetch` for a provider of the AI SDK. Call it within an activity that makes one request, as those of AiSdkPlugin do. */
export async function gatewayFetch(url, init = {}) {
  const context = Context.current();
  const headers = new Headers(init.headers);
  headers.set('idempotency-key', keyOf(context.info));
  // A cancelled workflow, or a worker that stops, waits no longer. The turn goes on, and a retry joins it.
  const signal = AbortSignal.any([context.cancellationSignal, ...(init.signal ? [init.signal] : [])]);
  // So that Temporal notices a lost worker within seconds.
  const heartbeats = setInterval(() => context.heartbeat(), heartbeatEveryMs);
  try {
    const response = await fetch(url, { ...init, headers, signal });
    if (response.ok) return response;
    const text = await response.text();
    if (isFinal(response)) throw ApplicationFailure.nonRetryable(messageIn(text), `http-${response.status}`);
    return new Response(text, response);
  } finally {
    clearInterval(heartbeats);
  }
}

/** The same for every attempt of an activity, and for no other activity. Hashed, because a key takes 255 characters of ASCII. */
function keyOf({ activityNamespace, workflowExecution, activityId }) {
  const { workflowId, runId } = workflowExecution;
  return createHash('sha256').update([activityNamespace, workflowId, runId, activityId].join('\n')).digest('hex');
}

/** The same request would get the same answer: the gateway has tried again whatever was worth it. */
function isFinal({ status, headers }) {
  const isPassing = [408, 409, 429].includes(status) || status >= 500;
  return !isPassing || headers.get('x-should-retry') === 'false';
}

function messageIn(text) {
  try {
    return JSON.parse(text).error.message;
  } catch {
    return 'The gateway refused the request.';
  }
}
