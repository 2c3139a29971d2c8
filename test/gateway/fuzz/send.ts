import { type Agent, type IncomingHttpHeaders, request as httpRequest } from 'node:http';
import type { FuzzedRequest } from './requests';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export function send(agent: Agent, url: string, fuzzed: FuzzedRequest): Promise<Answer> {
  const { method, path, headers, body, chunked } = fuzzed;
  const { hostname, port } = new URL(url);
  // Said in any case: Node's client sends a body behind a HEAD or a GET without a word about it.
  const length =
    body === null
      ? {}
      : chunked
        ? { 'transfer-encoding': 'chunked' }
        : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ agent, hostname, port, method, path, headers: { ...headers, ...length } });
    request.once('error', reject);
    request.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    if (chunked && body !== null) request.write(body);
    request.end(chunked || body === null ? undefined : body);
  });
}

/** What is wrong with an answer by the contract; null when nothing is. */
export function flawOf(
  { status, headers, body }: Answer,
  { method, path }: Pick<FuzzedRequest, 'method'> & Partial<FuzzedRequest>,
): string | null {
  if (status >= 200 && status < 300) return null;
  // On a busy machine a gateway may find that it cannot begin turns now, and says so.
  if (status === 503 && path === '/readyz') return null;
  if (status < 400 || status > 499) return `status ${status}: ${body}`;
  if (!headers['x-request-id']) return `a ${status} without x-request-id`;
  if (method === 'HEAD') return null;
  if (!headers['content-type']?.startsWith('application/json')) return `a ${status} that is no JSON: ${body}`;
  return isError(body) ? null : `a ${status} that is not in the shape of an error: ${body}`;
}

function isError(body: string): boolean {
  const { error } = JSON.parse(body) as { error?: Record<string, unknown> };
  return (
    typeof error?.['message'] === 'string' &&
    error['message'] !== '' &&
    typeof error['type'] === 'string' &&
    typeof error['code'] === 'string' &&
    (error['param'] === null || typeof error['param'] === 'string')
  );
}
