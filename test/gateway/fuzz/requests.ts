import * as fc from 'fast-check';
import { oddBody, oddResponseBody } from './bodies';
import { oddText } from './odd-values';

export interface FuzzedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** null: none is sent. */
  readonly body: string | Uint8Array | null;
  /** Sent in chunks, without a content-length. */
  readonly chunked: boolean;
}

/** A header's value as Node's client lets it out: no control characters, one byte a character. */
const headerValue = fc.oneof(
  oddText.map((text) => text.slice(0, 3_000).replaceAll(/[^\t\x20-\x7e\x80-\xff]/g, '\xff')),
  fc.string({ unit: fc.integer({ min: 0x80, max: 0xff }).map((code) => String.fromCodePoint(code)), maxLength: 40 }),
);

const usual = (name: string, value: string, odd: fc.Arbitrary<string | null>, usualWeight = 6) =>
  fc
    .oneof({ weight: usualWeight, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: odd })
    .map((chosen): Record<string, string> => (chosen === null ? {} : { [name]: chosen }));

const oddHeaderNames = [
  ...['idempotency-key', 'x-bellwether-session', 'x-openwebui-chat-id', 'x-conversation-id', 'x-librechat-user-id'],
  ...['x-request-id', 'last-event-id', 'accept', 'accept-encoding', 'content-encoding', 'origin', 'cookie', 'host'],
  ...['x-forwarded-for', 'forwarded', 'range', 'if-none-match', 'x-http-method-override', '__proto__', 'user-agent'],
];

const oddHeaders = fc.oneof(
  fc.dictionary(fc.constantFrom(...oddHeaderNames), headerValue, { maxKeys: 3, noNullPrototype: true }),
  fc
    .integer({ min: 1, max: 150 })
    .map((count) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'x']))),
  headerValue.map((value) => ({ 'x-long': value.padEnd(12_000, 'x') })),
);

const headersFor = (key: string) =>
  fc
    .tuple(
      usual(
        'authorization',
        `Bearer ${key}`,
        fc.oneof(
          fc.constantFrom(null, '', 'Bearer', `bearer  ${key}`, `Basic ${key}`, key, `Bearer ${key}x`),
          headerValue,
        ),
        12,
      ),
      usual(
        'content-type',
        'application/json',
        fc.oneof(
          fc.constantFrom(
            ...[null, '', 'text/plain', 'application/jsonx', 'multipart/form-data; boundary=x', 'application/json;'],
            ...['application/json; charset=utf-16', 'APPLICATION/JSON', 'application/json, text/plain', '/', ';'],
          ),
          headerValue,
        ),
        8,
      ),
      fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: oddHeaders }),
    )
    .map((parts) => Object.assign({}, ...parts) as Record<string, string>);

/** What may stand in a request's first line: the rest of what there is comes over plain sockets. */
const pathText = oddText.map((text) => text.slice(0, 4_000).replaceAll(/[^\x21-\x7e]/gu, '%EF%BF'));

const oddPath = fc.oneof(
  pathText.map((text) => `/${text}`),
  fc
    .tuple(
      fc.constantFrom('/v1/models/', '/v1/turns/', '/v1/responses/', '/v1/sessions/', '/v1/chat/completions?'),
      pathText,
    )
    .map((parts) => parts.join('')),
  pathText.map((text) => `/v1/turns/${text}/stream`),
  pathText.map((text) => `/v1/responses/${text}?stream=true&starting_after=${text}`),
  pathText.map((text) => `/v1/turns/${text}/feedback`),
  fc.constantFrom(
    ...['/', '//', '/v1', '/v1/', '/v1/models', '/healthz', '/readyz', '/openapi.json', '/V1/Models', '/v1//models'],
    ...['/v1/../v1/models', '/v1/models/%2e%2e', '/v1/models/%', '/v1/models/%zz', '/v1/models/%ff', '/?a=%', '/;x'],
    ...['/v1/chat%2fcompletions', '/v1/chat/completions#x', '/v1/turns/00000000-0000-0000-0000-000000000000'],
  ),
);

const responses = '/v1/responses';
const turn = fc.record({ method: fc.constant('POST'), path: fc.constantFrom('/v1/chat/completions', responses) });
const anything = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'),
  path: fc.oneof(oddPath, fc.constantFrom('/v1/chat/completions', responses)),
});

/** `key`: one that is valid. */
export function fuzzedRequest(key: string): fc.Arbitrary<FuzzedRequest> {
  return fc
    .tuple(
      fc.oneof({ weight: 3, arbitrary: turn }, { weight: 2, arbitrary: anything }),
      headersFor(key),
      fc.option(fc.record({ chat: oddBody, response: oddResponseBody }), { freq: 12 }),
      fc.integer({ min: 0, max: 4 }).map((chance) => chance === 0),
    )
    .map(([target, headers, bodies, chunked]) => {
      const body = bodies === null ? null : target.path === responses ? bodies.response : bodies.chat;
      return { ...target, headers, body, chunked };
    });
}
