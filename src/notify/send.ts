import { Agent, request } from 'undici';
import type { Notification, NotifyAddress, NotifyTarget } from '../contract/notifications';
import { readRetryAfterMs } from '../providers/retry-after';
import { bodyFor } from './message';
import { signedHeaders } from './signature';

/** For the whole exchange. A receiver should answer first and work afterwards; Slack answers within a second. */
const timeoutMs = 10_000;

/** TCP and TLS take a few round trips; a host that needs longer is unreachable. */
export const connectTimeoutMs = 5_000;

/** Of the answer. Only `notify test` shows any of it, and receivers answer with a word. */
const maxAnswerBytes = 4_096;

export type SendResult =
  | { readonly kind: 'delivered'; readonly status: number; readonly answer: string }
  | {
      readonly kind: 'failed';
      /** What happened, without address, secret or answer: it is kept in the ledger. */
      readonly error: string;
      readonly status: number | null;
      /** The beginning of its body. */
      readonly answer: string;
      readonly retryAfterMs: number | null;
    };

/** Sends a notification to a target once. Only a status of 200 to 299 counts as delivered. Never rejects. */
export async function send(
  target: NotifyTarget,
  notification: Notification,
  stopping: AbortSignal,
): Promise<SendResult> {
  let address: NotifyAddress;
  try {
    address = target.readAddress();
  } catch {
    return failed('its address or its secret cannot be read here: `bellwether doctor` says why');
  }
  const body = bodyFor(target, notification);
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'bellwether',
    ...signedHeaders(notification.id, Date.now(), body, address.secrets),
  };
  const dispatcher = new Agent({ connect: { timeout: connectTimeoutMs } });
  const tooLate = AbortSignal.timeout(timeoutMs);
  try {
    const signal = AbortSignal.any([tooLate, stopping]);
    const response = await request(address.url, { method: 'POST', headers, body, dispatcher, signal });
    const { statusCode: status } = response;
    const answer = await beginningOf(response.body);
    if (status >= 200 && status < 300) return { kind: 'delivered', status, answer };
    return {
      ...failed(describeStatus(status)),
      status,
      answer,
      retryAfterMs: readRetryAfterMs(response.headers, Date.now()),
    };
  } catch (error) {
    if (stopping.aborted) return failed('the worker that told it was stopped');
    return failed(tooLate.aborted ? `it did not answer within ${timeoutMs / 1000} s` : describeError(error));
  } finally {
    await dispatcher.destroy();
  }
}

function failed(error: string) {
  return { kind: 'failed', error, status: null, answer: '', retryAfterMs: null } as const;
}

/** The status is what counts: an answer whose rest is huge or never comes is cut off, and is not an error. */
async function beginningOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= maxAnswerBytes) break;
    }
  } catch {
    // What came is enough.
  }
  return Buffer.concat(chunks).subarray(0, maxAnswerBytes).toString();
}

function describeStatus(status: number): string {
  if (status >= 300 && status < 400) return `it answered ${status}, a redirect, which is not followed`;
  return `it answered ${status}`;
}

const connectionErrors: Readonly<Partial<Record<string, string>>> = {
  ECONNREFUSED: 'it refuses connections',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name cannot be resolved now',
  UND_ERR_CONNECT_TIMEOUT: `it did not accept a connection within ${connectTimeoutMs / 1000} s`,
  ECONNRESET: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
};

/** Errors of TLS and of the network name hosts and addresses; their codes do not. */
export function describeError(error: unknown): string {
  const { code, errors } = Object(error) as {
    readonly code?: unknown;
    readonly errors?: readonly { code?: unknown }[];
  };
  const known = [code, errors?.[0]?.code].find((each): each is string => typeof each === 'string');
  return known === undefined
    ? `the connection failed (${Object(error).name})`
    : (connectionErrors[known] ?? `the connection failed (${known})`);
}
