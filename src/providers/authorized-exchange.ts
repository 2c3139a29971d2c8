import type { Dispatcher } from 'undici';
import { type BodyReader, exchange, type Exchange, type ExchangeControl, type ExchangeRequest } from './exchange';
import type { ProviderSettings } from './provider';

export interface AuthorizedExchange {
  readonly exchange: Exchange;
  /** Those that were sent. */
  readonly apiKeys: readonly string[];
}

/** After a 401 the key is read again, once: it may have been rotated. Both requests together keep the call's limit. */
export async function authorizedExchange(
  dispatcher: Dispatcher,
  { readApiKey }: ProviderSettings,
  request: ExchangeRequest,
  createReader: (control: ExchangeControl) => BodyReader,
): Promise<AuthorizedExchange> {
  const startedAtMs = performance.now();
  const apiKey = readApiKey({ refresh: false });
  const first = await exchange(dispatcher, withKey(request, apiKey), createReader);
  const apiKeys = apiKey === undefined ? [] : [apiKey];
  if (first.head?.status !== 401) return { exchange: first, apiKeys };

  const newKey = readApiKey({ refresh: true });
  const timeoutMs = request.timeoutMs - (performance.now() - startedAtMs);
  if (newKey === undefined || newKey === apiKey || timeoutMs <= 0) return { exchange: first, apiKeys };
  const second = await exchange(dispatcher, withKey({ ...request, timeoutMs }, newKey), createReader);
  return { exchange: second, apiKeys: [...apiKeys, newKey] };
}

function withKey(request: ExchangeRequest, apiKey: string | undefined): ExchangeRequest {
  if (apiKey === undefined) return request;
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${apiKey}` } };
}
