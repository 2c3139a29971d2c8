import { crc32 } from 'node:zlib';
import { usualUsage, type WireAnswer, type WireError, type WireFormat } from './wire-server';

/** Amazon Bedrock's Converse and ConverseStream, as their documentation describes them. */
export const bedrockWire: WireFormat = {
  kind: 'bedrock',
  model: 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0',
  hidesThinkingTokens: true,
  takesNoAddresses: true,
  listsNoModels: true,
  basePath: '',
  streamType: 'application/vnd.amazon.eventstream',
  isStreamed: ({ path }) => path.endsWith('/converse-stream'),
  whole: (answer) => ({
    output: { message: { role: 'assistant', content: blocksOf(answer).map(({ whole }) => whole) } },
    stopReason: stopOf(answer),
    usage: usageOf(answer),
    metrics: { latencyMs: 5 },
  }),
  events: (answer) => [
    event('messageStart', { role: 'assistant' }),
    ...blocksOf(answer).flatMap(({ start, deltas }, contentBlockIndex) => [
      ...(start === undefined ? [] : [event('contentBlockStart', { contentBlockIndex, start })]),
      ...deltas.map((delta) => event('contentBlockDelta', { contentBlockIndex, delta, p: 'abcd' })),
      event('contentBlockStop', { contentBlockIndex }),
    ]),
    event('messageStop', { stopReason: stopOf(answer) }),
    event('metadata', { usage: usageOf(answer), metrics: { latencyMs: 5 } }),
  ],
  error: (error) => ({ status: errors[error][0], body: { __type: errors[error][1], message: errors[error][2] } }),
  errorEvent: (error) => exception(errors[error][1], errors[error][2]),
  malformedEvent: frame({ ':message-type': 'event', ':event-type': 'contentBlockDelta' }, '{"contentBlockIn'),
  heartbeat: null,
  modelList: () => ({}),
  keyHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey}` }),
};

export function event(type: string, data: unknown): Buffer {
  return frame(
    { ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' },
    JSON.stringify(data),
  );
}

/** Exceptions of a stream begin with a small letter. */
export function exception(type: string, message: string): Buffer {
  const name = type.charAt(0).toLowerCase() + type.slice(1);
  return frame({ ':exception-type': name, ':message-type': 'exception' }, JSON.stringify({ message }));
}

/** A binary frame: its length and that of its headers with a checksum, headers, content, and a checksum of all. */
function frame(headers: Readonly<Record<string, string>>, content: string): Buffer {
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => header(name, value)));
  const payload = Buffer.from(content);
  const prelude = Buffer.concat([uint32(16 + head.length + payload.length), uint32(head.length)]);
  const begun = Buffer.concat([prelude, uint32(crc32(prelude)), head, payload]);
  return Buffer.concat([begun, uint32(crc32(begun))]);
}

/** 7: a text of two bytes of length. */
function header(name: string, value: string): Buffer {
  const length = Buffer.from([value.length >> 8, value.length & 0xff]);
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7]), length, Buffer.from(value)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

interface Block {
  readonly whole: unknown;
  readonly start?: unknown;
  readonly deltas: readonly unknown[];
}

function blocksOf({ text = [], thoughts = [], calls = [] }: WireAnswer): readonly Block[] {
  return [
    ...thoughts.map(({ text: said, signature }) => ({
      whole: { reasoningContent: { reasoningText: { text: said, signature } } },
      deltas: [{ reasoningContent: { text: said } }, { reasoningContent: { signature } }],
    })),
    ...(text.length > 0 ? [{ whole: { text: text.join('') }, deltas: text.map((piece) => ({ text: piece })) }] : []),
    ...calls.map(({ id: toolUseId, name, input }) => ({
      whole: { toolUse: { toolUseId, name, input } },
      start: { toolUse: { toolUseId, name } },
      deltas: (JSON.stringify(input).match(/[\s\S]{1,7}/g) ?? []).map((piece) => ({ toolUse: { input: piece } })),
    })),
  ];
}

function stopOf({ stop, calls = [] }: WireAnswer): string {
  const reasons = {
    stop: 'end_turn',
    length: 'max_tokens',
    'tool-calls': 'tool_use',
    refusal: 'guardrail_intervened',
    pause: 'model_context_window_exceeded',
  };
  return reasons[stop ?? (calls.length > 0 ? 'tool-calls' : 'stop')];
}

function usageOf({ usage }: WireAnswer) {
  const { freshTokens, cacheReadTokens, cacheWriteTokens, outputTokens } = { ...usualUsage, ...usage };
  return {
    inputTokens: freshTokens,
    outputTokens,
    totalTokens: freshTokens + cacheReadTokens + cacheWriteTokens + outputTokens,
    cacheReadInputTokens: cacheReadTokens,
    cacheWriteInputTokens: cacheWriteTokens,
  };
}

const errors: Readonly<Record<WireError, readonly [number, string, string]>> = {
  'rate-limited': [429, 'ThrottlingException', 'Too many requests, please wait before trying again.'],
  overloaded: [503, 'ServiceUnavailableException', 'Bedrock is unable to process your request.'],
  internal: [500, 'InternalServerException', 'The system encountered an unexpected error during processing.'],
  'context-length': [400, 'ValidationException', 'Input is too long for requested model.'],
  'bad-request': [400, 'ValidationException', 'The provided request is not valid.'],
  unauthorized: [401, 'UnauthorizedException', 'Authentication failed.'],
  forbidden: [403, 'AccessDeniedException', "You don't have access to the model with the specified model ID."],
  'unknown-model': [404, 'ResourceNotFoundException', 'Could not resolve the foundation model.'],
  'too-large': [413, 'RequestEntityTooLargeException', 'The request is too large.'],
};
