import {
  type CommandRequest,
  type CommandResponse,
  type LoginRequest,
  type PageData,
  pagePaths,
  type PageProblem,
  type SessionPage,
} from '../contract/page';
import { withQuery } from './route';

/** The page's requests. Each is given up after a while, so that nothing waits for an answer that never comes. */

/** A request that failed; the message is for the viewer. `status` is null if there was no answer. */
export class RequestProblem extends Error {
  constructor(
    readonly status: number | null,
    message: string,
  ) {
    super(message);
  }

  /** The cookie is missing, expired, or its key is revoked. */
  get isLoggedOut(): boolean {
    return this.status === 401;
  }
}

const readTimeoutMs = 15_000;
/** A command waits for the workflow's answer. */
const commandTimeoutMs = 30_000;

/** Null if nothing has changed since the answer with this `ETag`. */
export async function readData(
  rollout: string | null,
  etag: string | null,
): Promise<{ readonly data: PageData; readonly etag: string | null } | null> {
  const headers = etag === null ? undefined : { 'if-none-match': etag };
  const response = await request(withQuery(pagePaths.data, { rollout }), { headers }, readTimeoutMs);
  if (response.status === 304) return null;
  return { data: await json<PageData>(response), etag: response.headers.get('etag') };
}

export async function readSession(id: string): Promise<SessionPage> {
  return json(await request(withQuery(pagePaths.session, { id }), {}, readTimeoutMs));
}

export async function sendCommand(command: CommandRequest): Promise<CommandResponse> {
  return json(await post(pagePaths.command, command, commandTimeoutMs));
}

export async function logIn(credentials: LoginRequest): Promise<void> {
  await post(pagePaths.login, credentials, readTimeoutMs);
}

export async function logOut(): Promise<void> {
  await post(pagePaths.logout, {}, readTimeoutMs);
}

function post(path: string, body: object, timeoutMs: number): Promise<Response> {
  const headers = { 'content-type': 'application/json' };
  return request(path, { method: 'POST', headers, body: JSON.stringify(body) }, timeoutMs);
}

/** @throws RequestProblem unless the answer is a success or 304 */
async function request(path: string, init: RequestInit, timeoutMs: number): Promise<Response> {
  const signal = AbortSignal.timeout(timeoutMs);
  // The `ETag` is ours to compare: the browser's cache would hide a 304 from us.
  const given = { ...init, cache: 'no-store', credentials: 'same-origin', redirect: 'error', signal } as const;
  const response = await fetch(path, given).catch((error: unknown) => {
    throw new RequestProblem(null, withoutAnswer(error, timeoutMs));
  });
  if (response.ok || response.status === 304) return response;
  const problem = (await response.json().catch(() => null)) as Partial<PageProblem & CommandResponse> | null;
  throw new RequestProblem(response.status, problem?.message ?? `The server answered with status ${response.status}.`);
}

function withoutAnswer(error: unknown, timeoutMs: number): string {
  return error instanceof DOMException && error.name === 'TimeoutError'
    ? `The server has not answered for ${timeoutMs / 1000} s.`
    : 'The server cannot be reached.';
}

async function json<T>(response: Response): Promise<T> {
  return (await response.json().catch(() => {
    throw new RequestProblem(response.status, 'The server broke off its answer.');
  })) as T;
}
