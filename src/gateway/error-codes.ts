/**
 * Every error that the gateway can answer with. The constructors of errors, the OpenAPI description and the table in
 * docs/gateway.md (`npm run docs:errors`) are made from this list.
 */

/** OpenAI's names for kinds of errors; its clients choose their exception by the status. */
type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'rate_limit_error'
  | 'insufficient_quota'
  | 'api_error';

interface ErrorDescription {
  readonly status: number;
  readonly type: ErrorType;
  /** Stable, for programs. Left out: the name of the entry. */
  readonly code?: string;
  /** `with-key`: only a request that carries an Idempotency-Key, because it joins the turn that may be running. */
  readonly repeat: 'helps' | 'never' | 'with-key';
  readonly meaning: string;
  readonly advice: string;
}

const invalidRequest = { status: 400, type: 'invalid_request_error', repeat: 'never' } as const;
/** Something behind the gateway, or the gateway itself, failed. */
const failed = { type: 'api_error' } as const;

/** By name. Names equal codes, except where one code comes with two statuses or two pieces of advice. */
const errorCatalogue = {
  invalid_value: {
    ...invalidRequest,
    meaning: 'A field or header has a value that is not accepted.',
    advice: 'Correct the field that `param` names.',
  },
  invalid_json: {
    ...invalidRequest,
    meaning: 'The body is empty, is not JSON, or has more than 100 levels or 50,000 values.',
    advice: 'Send a JSON object without `__proto__`.',
  },
  invalid_body: {
    ...invalidRequest,
    meaning: 'The body ended early, differs from `Content-Length`, or is not what `Content-Encoding` says.',
    advice: 'Send the whole body.',
  },
  invalid_url: {
    ...invalidRequest,
    meaning: 'The path is not a valid URL.',
    advice: 'Encode the path; `GET /openapi.json` lists the routes.',
  },
  bad_http: {
    ...invalidRequest,
    meaning: 'What came over the connection is not an HTTP request.',
    advice: 'Check the protocol and the port.',
  },
  context_length_exceeded: {
    ...invalidRequest,
    meaning: 'The messages fit no model of the chain.',
    advice: 'Shorten `messages`.',
  },
  content_filter: {
    ...invalidRequest,
    meaning: "A provider's rules refuse the content; the message has its reason.",
    advice: 'Change the content.',
  },
  previous_response_not_found: {
    ...invalidRequest,
    meaning:
      'The response to continue is unknown to this API key, was not stored, was deleted, or is no longer remembered.',
    advice: 'Send the whole history as `input`, without `previous_response_id`.',
  },
  image_not_kept: {
    ...invalidRequest,
    meaning: 'A picture of the request is no longer kept: the turn waited for days, or its key sent many others.',
    advice: 'Send the picture again.',
  },
  invalid_api_key: {
    status: 401,
    type: 'authentication_error',
    repeat: 'never',
    meaning: 'The API key is missing, mistyped, revoked or expired; the message says which.',
    advice: 'Send a valid key as `Authorization: Bearer`.',
  },
  insufficient_quota: {
    status: 402,
    type: 'insufficient_quota',
    repeat: 'never',
    meaning: 'A budget of the key, the session or the day is used up; no model was called, or no further one.',
    advice: 'Wait for the next UTC day, begin another session or have the budget raised.',
  },
  foreign_caller: {
    status: 403,
    type: 'permission_error',
    repeat: 'never',
    meaning: "The gateway listens on loopback, and a name in `Host` or `Origin` is not this machine's.",
    advice: 'Put your own name into `gateway.allowedHosts`; see [production](#production).',
  },
  model_not_allowed: {
    status: 403,
    type: 'permission_error',
    repeat: 'never',
    meaning: 'The API key may not use this model.',
    advice: 'Name a model of `GET /v1/models`.',
  },
  wrong_key_role: {
    status: 403,
    type: 'permission_error',
    repeat: 'never',
    meaning:
      'The role of the API key does not allow this: turns and feedback need `chat`, metrics `metrics` or `operator`.',
    advice: 'Use a key of another role.',
  },
  model_not_found: {
    ...invalidRequest,
    status: 404,
    meaning: 'There is no model of this name.',
    advice: 'Name a model of `GET /v1/models`.',
  },
  turn_not_found: {
    ...invalidRequest,
    status: 404,
    meaning: 'This API key has no such turn.',
    advice: 'Use the id from `x-bellwether-turn-id`, and the key that began the turn.',
  },
  session_not_found: {
    ...invalidRequest,
    status: 404,
    meaning: 'This API key has no such session.',
    advice: 'Use the name that its turns were sent with, and their key; `GET /v1/sessions` lists them.',
  },
  response_not_found: {
    ...invalidRequest,
    status: 404,
    meaning: 'This API key has no such response: it is unknown, was not stored, or was deleted.',
    advice: 'Use the `id` of a response that was stored, and the key that asked for it.',
  },
  item_not_found: {
    ...invalidRequest,
    status: 404,
    meaning: 'An `item_reference` names no item of a stored response of this API key, or one that is no longer kept.',
    advice: 'Send the item itself.',
  },
  unknown_route: {
    ...invalidRequest,
    status: 404,
    meaning: 'There is no such path.',
    advice: '`GET /openapi.json` lists the routes.',
  },
  turn_never_begun: {
    ...invalidRequest,
    status: 404,
    code: 'turn_not_kept',
    meaning: 'The turn was never begun, or is no longer kept.',
    advice: 'Send the request again.',
  },
  method_not_allowed: {
    ...invalidRequest,
    status: 405,
    meaning: 'The path exists, but does not take this method.',
    advice: 'Use the method in the header `allow`.',
  },
  request_timeout: {
    ...invalidRequest,
    status: 408,
    repeat: 'helps',
    meaning: 'The request did not arrive completely within 120 s.',
    advice: 'Send it again.',
  },
  session_closed: {
    ...invalidRequest,
    status: 409,
    meaning: 'The session was closed.',
    advice: 'Begin another session.',
  },
  session_not_handed_over: {
    ...invalidRequest,
    status: 409,
    meaning: 'The session is not handed over to a person: the model answers in it.',
    advice: 'Hand it over first, with `POST /v1/sessions/{id}/hand-over`.',
  },
  session_deleted: {
    ...invalidRequest,
    status: 410,
    meaning: 'The session was deleted.',
    advice: 'Begin another session.',
  },
  session_busy_refused: {
    ...invalidRequest,
    status: 409,
    code: 'session_busy',
    meaning: 'The session has a turn that has not ended, and `while-busy` is `reject`; this one was not begun.',
    advice: 'Wait for the answer, or stop the turn.',
  },
  turn_not_kept: {
    ...invalidRequest,
    status: 410,
    meaning: 'The turn has ended, and its answer is no longer kept.',
    advice: 'Ask again with another `Idempotency-Key`.',
  },
  turn_stopped: {
    ...invalidRequest,
    // No client repeats a 410 by itself; several repeat every 409.
    status: 410,
    meaning: 'The turn was stopped, by its key or by a later message of its session.',
    advice: 'Send another message; the session takes it at once.',
  },
  feedback_too_late: {
    ...invalidRequest,
    status: 410,
    meaning: 'The turn is older than 7 days and takes no more feedback.',
    advice: 'Give feedback earlier.',
  },
  rejoined_stream_diverged: {
    ...invalidRequest,
    status: 412,
    code: 'stream_diverged',
    meaning: 'The answer of the stream that you rejoin differs from what was sent before.',
    advice: 'Read the stream again without `Last-Event-ID`.',
  },
  request_too_large: {
    ...invalidRequest,
    status: 413,
    meaning: 'The texts of the body are larger than 1 MiB, or all of it is larger than `gateway.maxBodyBytes`.',
    advice: 'Send less.',
  },
  unsupported_media_type: {
    ...invalidRequest,
    status: 415,
    meaning: 'The body is not declared as JSON, or is compressed in an unknown way.',
    advice: 'Send `Content-Type: application/json`, and no `Content-Encoding` but `gzip`, `deflate` or `br`.',
  },
  idempotency_key_reused: {
    ...invalidRequest,
    status: 422,
    meaning: 'This `Idempotency-Key` was used before, with another request.',
    advice: 'Use a new key for each request.',
  },
  rate_limit_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    repeat: 'helps',
    meaning: 'The API key has made all its requests of this minute.',
    advice: 'Send it again after `retry-after`.',
  },
  too_many_open_requests: {
    status: 429,
    type: 'rate_limit_error',
    repeat: 'helps',
    meaning: 'The API key has reached its limit of open requests, or of bytes in them; the turn was not begun.',
    advice: 'Send it again after `retry-after`.',
  },
  session_busy: {
    status: 429,
    type: 'rate_limit_error',
    repeat: 'helps',
    meaning: 'Too many turns of this session are waiting; this one was not begun.',
    advice: 'Send it again after `retry-after`.',
  },
  headers_too_large: {
    ...invalidRequest,
    status: 431,
    meaning: 'The headers are larger than 16 KiB.',
    advice: 'Send less.',
  },
  internal_error: {
    ...failed,
    status: 500,
    repeat: 'helps',
    meaning: 'The gateway failed.',
    advice: "Look for `x-request-id` in the gateway's log.",
  },
  provider_unauthorized: {
    ...failed,
    status: 502,
    repeat: 'never',
    meaning: "A provider refused the service's own API key.",
    advice: 'Check the keys of the service.',
  },
  provider_refused_request: {
    ...failed,
    status: 502,
    repeat: 'never',
    meaning: "A provider refused the service's set-up, or your tools or options; the message has what it said.",
    advice: 'Check `tools` and options, then the set-up.',
  },
  provider_bad_response: {
    ...failed,
    status: 502,
    repeat: 'never',
    meaning: 'No model answered, and the last one sent something that is not an answer.',
    advice: 'Check the provider.',
  },
  provider_failed: {
    ...failed,
    status: 502,
    repeat: 'never',
    meaning: 'No model answered, for a reason that only a newer worker knows.',
    advice: 'Update the gateway.',
  },
  turn_hopeless: {
    ...failed,
    status: 502,
    repeat: 'never',
    meaning: 'The turn crashed every worker that took it, and was ended.',
    advice: 'Do not send the same request again.',
  },
  turn_failed: {
    ...failed,
    status: 502,
    repeat: 'never',
    meaning: 'An operator stopped the turn.',
    advice: 'Send the request again.',
  },
  stream_diverged: {
    ...failed,
    status: 502,
    repeat: 'never',
    meaning: 'The answer differs from what was streamed, which no longer counts.',
    advice: '`GET /v1/turns/{id}` has the answer.',
  },
  provider_unavailable: {
    ...failed,
    status: 503,
    repeat: 'never',
    meaning: 'No model answered, and the last one failed or could not be reached.',
    advice: 'Show `degraded_reply`; try again later, after `retry-after` if there is one.',
  },
  provider_rate_limited: {
    ...failed,
    status: 503,
    repeat: 'never',
    meaning: "No model answered; the last provider limits the service's rate, or its account there is empty.",
    advice: 'Show `degraded_reply`; try again later, after `retry-after` if there is one.',
  },
  ledger_unavailable: {
    ...failed,
    status: 503,
    repeat: 'helps',
    meaning: 'The ledger does not answer, so the turn was not begun.',
    advice: 'Send it again after `retry-after`.',
  },
  turns_cannot_begin: {
    ...failed,
    status: 503,
    repeat: 'helps',
    meaning: 'A worker, Temporal or a ledger that takes writes is missing; the turn was not begun.',
    advice: 'Send it again after `retry-after`; `/readyz` says what is missing.',
  },
  overloaded: {
    ...failed,
    status: 503,
    repeat: 'helps',
    meaning:
      'This gateway has reached its limit of open requests, of bytes in them or of unknown API keys; the turn was not begun.',
    advice: 'Send it again after `retry-after`.',
  },
  turn_too_late: {
    ...failed,
    status: 503,
    repeat: 'helps',
    meaning: 'No worker took the turn before its caller stopped waiting, so it was not begun and costs nothing.',
    advice: 'Send it again after `retry-after`, with the same `Idempotency-Key` if it had one.',
  },
  temporal_unreachable: {
    ...failed,
    status: 503,
    repeat: 'with-key',
    meaning: "Temporal was away until the turn's deadline; whether the turn began is not known.",
    advice: 'Send the same request with its `Idempotency-Key`, or ask `GET /v1/turns/{id}`.',
  },
  gateway_stopping: {
    ...failed,
    status: 503,
    repeat: 'helps',
    meaning: 'This gateway is stopping and takes no new requests.',
    advice: 'Send it to another gateway.',
  },
  gateway_stopped_waiting: {
    ...failed,
    status: 503,
    code: 'gateway_stopping',
    repeat: 'never',
    meaning: 'This gateway stopped while the request was running; its turn goes on.',
    advice: 'Join it at `/v1/turns/{id}/stream` of another gateway.',
  },
  provider_timeout: {
    ...failed,
    status: 504,
    repeat: 'never',
    meaning: 'No model answered, and the last one was silent for too long.',
    advice: 'Show `degraded_reply`; try again later.',
  },
  deadline_exceeded: {
    ...failed,
    status: 504,
    repeat: 'with-key',
    meaning: 'The turn has no answer yet. If a worker has begun it, it goes on; if not, it never begins.',
    advice: 'Send the same request with its `Idempotency-Key`, or ask `GET /v1/turns/{id}`.',
  },
} as const satisfies Readonly<Record<string, ErrorDescription>>;

export type ErrorName = keyof typeof errorCatalogue;

type Entry<Name extends ErrorName> = (typeof errorCatalogue)[Name];
export type ErrorStatus = Entry<ErrorName>['status'];
export type ErrorCode = {
  [Name in ErrorName]: Entry<Name> extends { readonly code: infer Code extends string } ? Code : Name;
}[ErrorName];

export interface CataloguedError extends Required<ErrorDescription> {
  readonly name: ErrorName;
  readonly code: ErrorCode;
  readonly status: ErrorStatus;
}

export function cataloguedError(name: ErrorName): CataloguedError {
  const entry: ErrorDescription & { readonly status: ErrorStatus } = errorCatalogue[name];
  return { ...entry, name, code: (entry.code ?? name) as ErrorCode };
}

const repeats = { helps: 'yes', never: 'no', 'with-key': 'with a key' } as const;

/** The catalogue as rows of a Markdown table, by status. */
export function errorTable(): readonly string[] {
  const errors = (Object.keys(errorCatalogue) as ErrorName[]).map(cataloguedError);
  const rows = errors
    .toSorted((a, b) => a.status - b.status)
    .map(({ status, code, repeat, meaning, advice }) => [
      String(status),
      `\`${code}\``,
      repeats[repeat],
      meaning,
      advice,
    ]);
  const header = ['status', 'code', 'repeated', 'what it means', 'what to do'];
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}
