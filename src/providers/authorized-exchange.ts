import type { ProviderSettings } from '../contract/provider';
import type { Connections } from './connections';
import { meaningOf } from './error-meaning';
import { type BodyReader, type Exchange, exchange, type ExchangeControl, type ExchangeRequest } from './exchange';
import { readError } from './read-error';

export interface Authorization extends Pick<ProviderSettings, 'readApiKey'> {
  /** The headers that carry a key. */
  readonly authorize: (apiKey: string) => Readonly<Record<string, string>>;
}

export interface AuthorizedExchange {
  readonly exchange: Exchange;
  /** The keys that were sent. */
  readonly apiKeys: readonly string[];
}

/** After its refusal the key is reread once, because it may have been rotated. Both requests together stay within the call's timeout. */
export async function authorizedExchange(
  connections: Connections,
  { readApiKey, authorize }: Authorization,
  request: ExchangeRequest,
  createReader: (control: ExchangeControl) => BodyReader,
): Promise<AuthorizedExchange> {
  const startedAtMs = performance.now();
  const apiKey = readApiKey({ refresh: false });
  const first = await liveExchange(connections, withHeaders(request, apiKey, authorize), createReader);
  const apiKeys = apiKey === undefined ? [] : [apiKey];
  if (!isKeyRefused(first)) return { exchange: first, apiKeys };

  const newKey = readApiKey({ refresh: true });
  const timeoutMs = request.timeoutMs - (performance.now() - startedAtMs);
  if (newKey === undefined || newKey === apiKey || timeoutMs <= 0) return { exchange: first, apiKeys };
  const second = await liveExchange(
    connections,
    withHeaders({ ...request, timeoutMs }, newKey, authorize),
    createReader,
  );
  return { exchange: second, apiKeys: [...apiKeys, newKey] };
}

/** Google answers an invalid key with 400. */
function isKeyRefused(result: Exchange): boolean {
  const status = result.head?.status;
  if (status !== 400 || result.kind === 'failed') return status === 401;
  return meaningOf(status, readError(result.body), []).kind === 'unauthorized';
}

/** If the provider had already closed the connection, the request is sent again at once, on a new one. */
async function liveExchange(
  connections: Connections,
  request: ExchangeRequest,
  createReader: (control: ExchangeControl) => BodyReader,
): Promise<Exchange> {
  const startedAtMs = performance.now();
  const first = await exchange(connections.pool, request, createReader);
  if (first.kind !== 'failed' || first.wasStale !== true) return first;
  const timeoutMs = request.timeoutMs - (performance.now() - startedAtMs);
  if (timeoutMs <= 0) return first;
  return connections.withNewConnection((dispatcher) => exchange(dispatcher, { ...request, timeoutMs }, createReader));
}

function withHeaders(
  request: ExchangeRequest,
  apiKey: string | undefined,
  authorize: Authorization['authorize'],
): ExchangeRequest {
  const authorization = apiKey === undefined ? undefined : authorize(apiKey);
  return { ...request, headers: { ...request.headers, 'accept-encoding': 'identity', ...authorization } };
}
