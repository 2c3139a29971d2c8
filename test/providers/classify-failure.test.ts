import {
  classifyFailedExchange,
  classifyErrorResponse,
  classifyUnusableResponse,
  type CallContext,
} from '../../src/providers/classify-failure';
import type { FailureCause } from '../../src/providers/exchange';

const context: CallContext = {
  provider: 'holysheep',
  nowMs: Date.parse('2026-03-01T12:00:00Z'),
  confidential: { apiKeys: ['sk-secret-key'], texts: ['Where is the parcel I ordered last week?'] },
};

function answered(status: number, error: unknown = {}, headers: Record<string, string> = {}) {
  return classifyErrorResponse({ status, headers }, { error }, context);
}

function broken(cause: FailureCause, options: { sent?: boolean; status?: number } = {}) {
  const head = options.status === undefined ? null : { status: options.status, headers: {} };
  return classifyFailedExchange({ kind: 'failed', cause, head, sent: options.sent ?? true }, context);
}

const answered200 = { status: 200, headers: {} };

function networkError(code: string): FailureCause {
  return { kind: 'network', error: Object.assign(new Error('sk-secret-key'), { code }) };
}

describe('a status', () => {
  test.each([
    [429, 'rate-limited', true, 'not-charged'],
    [500, 'server-error', true, 'not-charged'],
    [503, 'server-error', true, 'not-charged'],
    [529, 'server-error', true, 'not-charged'],
    [502, 'server-error', true, 'unknown'],
    [504, 'server-error', true, 'unknown'],
    [524, 'server-error', true, 'unknown'],
    [408, 'timeout', true, 'unknown'],
    [400, 'bad-request', false, 'not-charged'],
    [401, 'unauthorized', false, 'not-charged'],
    [402, 'rate-limited', false, 'not-charged'],
    [403, 'unauthorized', false, 'not-charged'],
    [404, 'bad-request', false, 'not-charged'],
    [413, 'context-length', false, 'not-charged'],
    [422, 'bad-request', false, 'not-charged'],
    [302, 'malformed-response', false, 'not-charged'],
  ] as const)('%i → %s, retryable %s, %s', (status, kind, retryable, charge) => {
    expect(answered(status)).toMatchObject({ kind, retryable, charge, httpStatus: status, retryAfterMs: null });
  });

  test('429 with Retry-After → the wait it asks for', () => {
    expect(answered(429, {}, { 'retry-after': '7' }).retryAfterMs).toBe(7_000);
  });

  test('429 insufficient_quota → not retryable: no wait of seconds brings a quota back', () => {
    expect(answered(429, { code: 'insufficient_quota' })).toMatchObject({ kind: 'rate-limited', retryable: false });
  });

  test('x-should-retry: false → not retryable', () => {
    expect(answered(503, {}, { 'x-should-retry': 'false' }).retryable).toBe(false);
  });

  test('a broken error body → classified by the status alone', () => {
    expect(classifyErrorResponse({ status: 503, headers: {} }, undefined, context)).toMatchObject({
      kind: 'server-error',
      message: 'holysheep answered 503: the provider failed',
    });
  });
});

describe('a refusal of the messages', () => {
  test.each([
    ['OpenAI', { code: 'context_length_exceeded', message: 'maximum context length is 128000 tokens' }],
    ['DeepSeek', { message: "This model's maximum context length is 65536 tokens. However, you requested 70000." }],
    ['Gemini', { message: 'The input token count (1200000) exceeds the maximum number of tokens allowed.' }],
  ])('400 for the length, as %s says it → context-length, with the reason', (_provider, error) => {
    const failure = answered(400, error);
    expect(failure).toMatchObject({ kind: 'context-length', retryable: false, charge: 'not-charged' });
    expect(failure.message).toContain(error.message);
  });

  test.each([
    ['OpenAI', 400, { code: 'content_policy_violation', message: 'Violates our policy.' }],
    ['Azure', 400, { code: 'content_filter', message: 'The response was filtered.' }],
    ['DeepSeek', 400, { message: 'Content Exists Risk', type: 'invalid_request_error' }],
    ['Qwen', 400, { code: 'data_inspection_failed', message: 'Input data may contain inappropriate content.' }],
    ['OpenRouter', 403, { message: 'Your input was flagged by moderation.' }],
  ])('for the content, as %s says it → content-filter, with the reason', (_provider, status, error) => {
    const failure = answered(status, error);
    expect(failure).toMatchObject({ kind: 'content-filter', retryable: false, charge: 'not-charged' });
    expect(failure.message).toContain(error.message);
  });

  test('the reason is bounded and repeats neither key nor message', () => {
    const { message } = answered(400, {
      code: 'content_filter',
      message: `sk-secret-key "the parcel I ordered last" ${'x'.repeat(5_000)}`,
    });
    expect(message).not.toMatch(/sk-secret-key|parcel/);
    expect(message.length).toBeLessThan(400);
  });
});

test.each([
  [403, 'Request blocked by network policy', 'unauthorized'],
  [403, 'Access blocked by security policy', 'unauthorized'],
  [403, 'Your IP was flagged by our policy', 'unauthorized'],
  [403, 'The request violates our usage policy on regions', 'unauthorized'],
  [403, 'Access refused: unsafe network', 'unauthorized'],
  [400, 'This violates the rate limit policy', 'bad-request'],
  [400, 'Rejected by the routing policy', 'bad-request'],
  [400, "This violates OpenAI's usage policies.", 'content-filter'],
  [400, 'The prompt was rejected by our safety guidelines', 'content-filter'],
  [400, 'The answer violates our content guidelines', 'content-filter'],
  [400, 'It was blocked for safety reasons', 'content-filter'],
  [403, 'The prompt was blocked by moderation', 'content-filter'],
  [400, "Invalid 'temperature': input exceeds 1.0", 'bad-request'],
  [400, 'The request exceeds the maximum number of tools', 'bad-request'],
  [400, 'The size of the messages exceeds 20 images', 'bad-request'],
  [400, 'The messages contain too many images', 'bad-request'],
  [400, 'The input image is too large', 'bad-request'],
  [400, 'The request exceeds the limit of 5 images. Context was kept.', 'bad-request'],
  [400, 'Prompt exceeds 8192 tokens', 'context-length'],
  [400, 'Your messages exceed the available context (4096)', 'context-length'],
  [400, 'The input exceeds the maximum allowed input length', 'context-length'],
  [400, 'The request has too many input tokens', 'context-length'],
])('%i %j means %s', (status, message, kind) => {
  expect(answered(status, { message })).toMatchObject({ kind });
});

const tooLong = (status: number, body: unknown) => ({ status, body, kind: 'context-length', retryable: false });
const detail = (error: unknown) => ({ error });

test.each<[string, { status: number; body: unknown; kind: string; retryable: boolean }]>([
  ['Azure', tooLong(400, detail({ code: 'context_length_exceeded', message: 'Too much.', param: 'messages' }))],
  [
    'Anthropic',
    tooLong(
      400,
      detail({ type: 'invalid_request_error', message: 'prompt is too long: 208310 tokens > 200000 maximum' }),
    ),
  ],
  [
    'Anthropic, with max_tokens',
    tooLong(400, detail({ message: 'input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000' })),
  ],
  ['Anthropic, by size', tooLong(413, { type: 'error', error: { type: 'request_too_large', message: 'Too large.' } })],
  ['Bedrock', tooLong(400, { message: 'Input is too long for requested model.' })],
  ['GLM', tooLong(400, detail({ code: '1261', message: 'Prompt 超长' }))],
  ['GLM, in words', tooLong(400, detail({ message: 'Prompt exceeds max length' }))],
  [
    'llama.cpp',
    tooLong(
      400,
      detail({
        code: 400,
        type: 'exceed_context_size_error',
        message: 'the request exceeds the available context size',
      }),
    ),
  ],
  [
    'llama.cpp, in words',
    tooLong(
      400,
      detail({ message: 'request (9000 tokens) exceeds the available context size (4096 tokens), try increasing it' }),
    ),
  ],
  [
    'Perplexity',
    tooLong(
      400,
      detail({ code: 400, type: 'bad_request', message: 'The conversation is too long, please start a new one' }),
    ),
  ],
  [
    'xAI',
    tooLong(400, {
      code: 'Client specified an invalid argument',
      error: "This model's maximum prompt length is 131072 but the request contains 136973 tokens.",
    }),
  ],
  [
    'Qwen',
    tooLong(400, detail({ code: 'invalid_parameter_error', message: 'Range of input length should be [1, 30720]' })),
  ],
  [
    'Kimi',
    tooLong(
      400,
      detail({
        type: 'invalid_request_error',
        message: 'Invalid request: Your request exceeded model token limit: 8192',
      }),
    ),
  ],
  [
    'Mistral',
    tooLong(400, {
      object: 'error',
      message: 'Prompt contains 40000 tokens, too large for model with 32768 maximum context length',
      code: '3051',
    }),
  ],
  [
    'Groq',
    tooLong(
      413,
      detail({
        code: 'rate_limit_exceeded',
        message: 'Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 8000',
      }),
    ),
  ],
  [
    'OpenAI, over the rate',
    tooLong(
      429,
      detail({
        code: 'rate_limit_exceeded',
        type: 'tokens',
        message: 'Request too large for gpt-4: Limit 10000, Requested 20000.',
      }),
    ),
  ],
  [
    'vLLM',
    tooLong(400, {
      object: 'error',
      type: 'BadRequestError',
      message: "This model's maximum context length is 4096 tokens.",
      code: 400,
    }),
  ],
  [
    'SGLang',
    tooLong(400, {
      object: 'error',
      message: "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    }),
  ],
  [
    'LM Studio',
    tooLong(400, { error: 'The number of tokens to keep from the initial prompt is greater than the context length.' }),
  ],
  [
    'TGI',
    tooLong(422, { error: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000' }),
  ],
  ['a proxy', tooLong(413, undefined)],
  ['a proxy that says 500 for it', tooLong(500, detail({ code: 'context_length_exceeded' }))],
  [
    'DeepSeek, empty',
    {
      status: 402,
      body: detail({ message: 'Insufficient Balance', type: 'unknown_error', code: 'invalid_request_error' }),
      kind: 'rate-limited',
      retryable: false,
    },
  ],
  [
    'Anthropic, empty',
    {
      status: 400,
      body: detail({ type: 'invalid_request_error', message: 'Your credit balance is too low to access the API.' }),
      kind: 'rate-limited',
      retryable: false,
    },
  ],
  [
    'GLM, empty',
    {
      status: 429,
      body: detail({ code: '1113', message: '您的账户已欠费，请充值后重试。' }),
      kind: 'rate-limited',
      retryable: false,
    },
  ],
  [
    'Kimi, empty',
    {
      status: 429,
      body: detail({ type: 'exceeded_current_quota_error', message: 'Suspended.' }),
      kind: 'rate-limited',
      retryable: false,
    },
  ],
  [
    'one-api, empty',
    {
      status: 403,
      body: detail({ type: 'new_api_error', code: 'insufficient_user_quota', message: '用户额度不足' }),
      kind: 'rate-limited',
      retryable: false,
    },
  ],
  [
    'Gemini, a wrong key',
    {
      status: 400,
      body: [
        detail({ code: 400, status: 'INVALID_ARGUMENT', message: 'API key not valid. Please pass a valid API key.' }),
      ],
      kind: 'unauthorized',
      retryable: false,
    },
  ],
  [
    'Azure, the content',
    {
      status: 400,
      body: detail({ code: '400', innererror: { code: 'ResponsibleAIPolicyViolation' } }),
      kind: 'content-filter',
      retryable: false,
    },
  ],
  [
    'GLM, the content',
    {
      status: 400,
      body: detail({ code: '1301', message: '系统检测到输入或生成内容可能包含不安全或敏感内容' }),
      kind: 'content-filter',
      retryable: false,
    },
  ],
])('%s says it in its own way', (_provider, { status, body, kind, retryable }) => {
  expect(classifyErrorResponse({ status, headers: {} }, body, context)).toMatchObject({ kind, retryable });
});

test.each([
  ['a tool', "Invalid schema for function 'moderation_log': schema must be an object.", ['moderation_log']],
  ['a tool that is not quoted', 'Function content filter is not valid.', ['content filter']],
  ['a field', 'Unknown parameter: "context_length".', []],
  [
    'a limit of the answer',
    'max_tokens is too large: 100000. This model supports at most 16384 completion tokens.',
    [],
  ],
  ['another limit of the answer', 'Range of max_tokens should be [1, 8192]', []],
])('the name of %s in an error says nothing about the content or the length', (_what, message, toolNames) => {
  const failure = classifyErrorResponse(
    { status: 400, headers: {} },
    { error: { message } },
    { ...context, toolNames },
  );
  expect(failure).toMatchObject({ kind: 'bad-request', message: expect.stringContaining(message) });
});

test.each([
  [
    '400 with a code',
    400,
    { error: { code: 'unsupported_parameter', message: "'temperature' is not supported." } },
    "(unsupported_parameter): 'temperature' is not supported.",
  ],
  ['404', 404, { error: { message: 'The model x does not exist.' } }, 'answered 404: The model x does not exist.'],
  [
    '422 of FastAPI',
    422,
    { detail: [{ loc: ['body', 'temperature'], msg: 'Input should be less than 2', input: 9 }] },
    'answered 422: body.temperature: Input should be less than 2',
  ],
  ['a plain sentence', 400, 'Unknown field top_k', 'answered 400: Unknown field top_k'],
  ['a proxy', 400, { errors: [{ code: 7003, message: 'No route for that URI' }] }, '(7003): No route for that URI'],
  ['nothing', 400, undefined, 'the provider rejected the request; check the model and the base URL'],
])('a refusal is told in its own words: %s', (_form, status, body, said) => {
  expect(classifyErrorResponse({ status, headers: {} }, body, context).message).toContain(said);
});

test('a refusal repeats neither a key nor what was said, also as JSON writes it', () => {
  const texts = ['我的银行卡密码是4711,请不要告诉别人', 'pin 4711', 'Say "please" and\nwait for the answer'];
  const message = `Bad "\\u94f6\\u884c\\u5361\\u5bc6\\u7801", sk-secret-key, pin 4711, Say \\"please\\" and\\nwait for.${'x'.repeat(9_000)}`;
  const confidential = { ...context.confidential, texts };
  const told = classifyErrorResponse(
    { status: 400, headers: {} },
    { error: { message } },
    { ...context, confidential },
  );
  expect(told.message).not.toMatch(/银行卡|u94f6|sk-secret|4711|please/);
  expect(told.message.length).toBeLessThan(400);
});

test('no more than 4 KB of an error are looked at', () => {
  const at = (start: number) => `${'x '.repeat(start / 2)}maximum context length`;
  expect(answered(400, { message: at(4_000) }).kind).toBe('context-length');
  expect(answered(400, { message: at(4_096) }).kind).toBe('bad-request');
  expect(answered(400, { message: 'token count '.repeat(20_000) }).kind).toBe('bad-request');
});

describe('the message of a failure', () => {
  test('names provider, status and code', () => {
    expect(answered(429, { code: 'rate_limit_exceeded', type: 'requests' }).message).toBe(
      'holysheep answered 429 (rate_limit_exceeded): too many requests, or an exhausted quota',
    );
  });

  test("leaves the provider's own words out, which may quote", () => {
    expect(answered(500, { message: 'failed on: Where is the parcel?' }).message).not.toContain('parcel');
  });

  test.each([['sk-secret-key'], ['Where is the parcel I ordered'], ['x'.repeat(1_000)]])(
    'leaves out what is no code: %.40s',
    (code) => {
      expect(answered(401, { code }).message).not.toContain(code);
    },
  );

  test.each([
    ['a list', [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED' } }], '(429)'],
    ['a bare detail', { code: 'overloaded' }, '(overloaded)'],
    ['a text', { error: 'too busy' }, 'answered 429: '],
  ])('is found in an error body that is %s', (_form, body, expected) => {
    expect(classifyErrorResponse({ status: 429, headers: {} }, body, context).message).toContain(expected);
  });
});

describe('a call without a complete response', () => {
  test('timeout after sending → timeout, retryable, charge unknown', () => {
    expect(broken({ kind: 'timeout' })).toMatchObject({ kind: 'timeout', retryable: true, charge: 'unknown' });
  });

  test('timeout while waiting for a connection → timeout, retryable, not charged', () => {
    expect(broken({ kind: 'timeout' }, { sent: false })).toMatchObject({
      kind: 'timeout',
      retryable: true,
      charge: 'not-charged',
    });
  });

  test.each(['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE'])('%s after sending → connection, retryable, unknown', (code) => {
    expect(broken(networkError(code))).toMatchObject({ kind: 'connection', retryable: true, charge: 'unknown' });
  });

  test.each(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])(
    '%s → connection, retryable, not charged',
    (code) => {
      const failure = broken(networkError(code), { sent: false });
      expect(failure).toMatchObject({ kind: 'connection', retryable: true, charge: 'not-charged' });
      expect(failure.message).toContain(code);
      expect(failure.message).not.toContain('sk-secret-key');
    },
  );

  test.each([
    'CERT_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])('%s → connection, not retryable, not charged', (code) => {
    expect(broken(networkError(code), { sent: false })).toMatchObject({
      kind: 'connection',
      retryable: false,
      charge: 'not-charged',
    });
  });

  test('stopped by the caller → cancelled, with the reason', () => {
    const failure = broken({ kind: 'cancelled', reason: new Error('WORKER_SHUTDOWN') });
    expect(failure).toMatchObject({ kind: 'cancelled', retryable: false, charge: 'unknown' });
    expect(failure.message).toContain('WORKER_SHUTDOWN');
  });

  test('stopped by the caller while an error comes in → cancelled all the same', () => {
    const failure = broken({ kind: 'cancelled', reason: 'user' }, { status: 503 });
    expect(failure).toMatchObject({ kind: 'cancelled', retryable: false });
  });

  test.each([
    ['firstByteMs', 'first-byte limit of 250 ms'],
    ['firstTokenMs', 'first-token limit of 250 ms'],
    ['idleMs', 'idle limit of 250 ms'],
  ] as const)('stalled at %s → timeout, not retryable, charge unknown, naming the limit', (limit, words) => {
    expect(broken({ kind: 'stalled', limit, limitMs: 250 })).toMatchObject({
      kind: 'timeout',
      retryable: false,
      charge: 'unknown',
      message: expect.stringContaining(words),
    });
  });

  test('a stream that was cut → connection, retryable, charge unknown', () => {
    expect(broken({ kind: 'truncated' }, { status: 200 })).toMatchObject({
      kind: 'connection',
      retryable: true,
      charge: 'unknown',
      httpStatus: 200,
    });
  });

  test('a malformed chunk → malformed-response, not retryable, charge unknown', () => {
    expect(broken({ kind: 'malformed-chunk' }, { status: 200 })).toMatchObject({
      kind: 'malformed-response',
      retryable: false,
      charge: 'unknown',
    });
  });

  test('too large → response-too-large, not retryable, charge unknown', () => {
    expect(broken({ kind: 'too-large' }, { status: 200 })).toMatchObject({
      kind: 'response-too-large',
      retryable: false,
      charge: 'unknown',
      httpStatus: 200,
    });
  });

  test('503 whose body never ends → server-error, retryable, not charged', () => {
    expect(broken({ kind: 'timeout' }, { status: 503 })).toMatchObject({
      kind: 'server-error',
      retryable: true,
      charge: 'not-charged',
      httpStatus: 503,
    });
  });
});

describe('a 2xx without an answer', () => {
  test('anything that is no completion → malformed-response, not retryable, charge unknown', () => {
    expect(classifyUnusableResponse(answered200, undefined, context)).toMatchObject({
      kind: 'malformed-response',
      retryable: false,
      charge: 'unknown',
      httpStatus: 200,
    });
  });

  test.each([
    [{ code: 502, message: 'Bad gateway' }, 'server-error', true],
    [{ code: '503' }, 'server-error', true],
    [{ code: 429 }, 'rate-limited', true],
    [{ code: 408 }, 'timeout', true],
    [{ code: 401 }, 'unauthorized', false],
    [{ code: 400 }, 'bad-request', false],
    [{ code: 403, message: 'Your input was flagged by moderation.' }, 'content-filter', false],
    [{ type: 'server_error' }, 'server-error', true],
    [{ type: 'overloaded_error', message: 'Overloaded' }, 'server-error', true],
    [{ type: 'requests', code: 'rate_limit_exceeded' }, 'rate-limited', true],
    [{ type: 'rate_limit_error' }, 'rate-limited', true],
    [{ code: 'insufficient_quota', type: 'insufficient_quota' }, 'rate-limited', false],
    [{ type: 'authentication_error' }, 'unauthorized', false],
    [{ code: 'invalid_api_key', type: 'invalid_request_error' }, 'unauthorized', false],
    [{ code: 'context_length_exceeded', type: 'invalid_request_error' }, 'context-length', false],
    [{ code: 'content_filter' }, 'content-filter', false],
    [{ type: 'invalid_request_error' }, 'bad-request', false],
    [{ message: 'Something went wrong.' }, 'server-error', true],
    ['Something went wrong.', 'server-error', true],
    [{}, 'server-error', true],
  ])('an error that comes after the 200: %j → %s, retryable %s, charge unknown', (error, kind, retryable) => {
    expect(classifyUnusableResponse(answered200, { error }, context)).toMatchObject({
      kind,
      retryable,
      charge: 'unknown',
      httpStatus: 200,
      message: expect.stringContaining('answered 200 and then an error'),
    });
  });

  test('an answer that was withheld → content-filter', () => {
    const body = { choices: [{ message: { content: null }, finish_reason: 'content_filter' }] };
    expect(classifyUnusableResponse(answered200, body, context)).toMatchObject({
      kind: 'content-filter',
      charge: 'unknown',
    });
  });
});
