/** A turn as OpenAI's response object: the same turn gives the same bytes, always. */
import { z } from 'zod';
import type { ChatReply, ToolCall } from '../../contract/chat';
import { fieldsOf } from '../../domain/fields-of';
import {
  createdOf,
  finishReasonOf,
  modelOf,
  type RegisteredTurn,
  turnFacts,
  turnFactsSchema,
  usageOf,
} from '../completion';
import type { GatewayError } from '../gateway-error';

const anyObject = z.record(z.string(), z.unknown());

/** What a response says of its request. It travels with the turn, so that whoever gets the response later sees it too. */
const echoSchema = z.object({
  model: z.string().describe('As the request named it, until a model has answered.'),
  instructions: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  tools: z.array(anyObject),
  tool_choice: z.union([z.string(), anyObject]),
  parallel_tool_calls: z.boolean(),
  temperature: z.number(),
  top_p: z.number(),
  presence_penalty: z.number(),
  frequency_penalty: z.number(),
  top_logprobs: z.int(),
  text: anyObject,
  reasoning: anyObject,
  max_output_tokens: z.int().nullable(),
  max_tool_calls: z.int().nullable(),
  truncation: z.string(),
  previous_response_id: z.string().nullable(),
  conversation: z.object({ id: z.string() }).nullable(),
  store: z.boolean(),
  background: z.boolean(),
  service_tier: z.string(),
  user: z.string().nullable(),
  safety_identifier: z.string().nullable(),
  prompt_cache_key: z.string().nullable(),
});

export type ResponseEcho = z.output<typeof echoSchema>;

/** Of a request that says nothing but its model. */
export const plainEcho: ResponseEcho = {
  model: 'bellwether',
  instructions: null,
  metadata: {},
  tools: [],
  tool_choice: 'auto',
  parallel_tool_calls: true,
  temperature: 1,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  top_logprobs: 0,
  text: { format: { type: 'text' } },
  reasoning: { effort: null, summary: null },
  max_output_tokens: null,
  max_tool_calls: null,
  truncation: 'disabled',
  previous_response_id: null,
  conversation: null,
  store: true,
  background: false,
  service_tier: 'default',
  user: null,
  safety_identifier: null,
  prompt_cache_key: null,
};

/** Beside a reply of 1 MiB in a payload of 2 MB, and many times in a conversation's memory. */
const maxEchoBytes = 16 * 1024;

/** What of it may travel with the turn: tools, formats and instructions of any length go with its request alone. */
export function boundedEcho(echo: ResponseEcho): ResponseEcho {
  // Whoever continues the response must know that its first message is not part of what was said.
  const cut = echo.instructions === null ? null : '';
  const { model, previous_response_id, conversation, store, background } = echo;
  const short = { ...plainEcho, model, previous_response_id, conversation, store, background };
  const shorter = [
    echo,
    { ...echo, tools: [] },
    { ...echo, tools: [], text: plainEcho.text },
    { ...echo, tools: [], text: plainEcho.text, instructions: cut },
  ];
  return (
    shorter.find((each) => Buffer.byteLength(JSON.stringify(each)) <= maxEchoBytes) ?? {
      ...short,
      instructions: cut,
    }
  );
}

const itemStatus = z.enum(['in_progress', 'completed', 'incomplete']);

const outputText = z.object({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.unknown()),
  logprobs: z.array(z.unknown()),
});
const refusal = z.object({ type: z.literal('refusal'), refusal: z.string() });

export const outputItemSchema = z.discriminatedUnion('type', [
  z.object({
    id: z.string(),
    type: z.literal('message'),
    status: itemStatus,
    role: z.literal('assistant'),
    content: z.array(z.discriminatedUnion('type', [outputText, refusal])),
  }),
  z.object({
    id: z.string(),
    type: z.literal('reasoning'),
    summary: z.array(z.object({ type: z.literal('summary_text'), text: z.string() })),
    encrypted_content: z
      .string()
      .optional()
      .describe('Only of a response that is not stored: the same thoughts, encoded.'),
  }),
  z.object({
    id: z.string(),
    type: z.literal('function_call'),
    status: itemStatus,
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
]);

export type OutputItem = z.output<typeof outputItemSchema>;

export const responseSchema = z.object({
  id: z.string(),
  object: z.literal('response'),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.enum(['queued', 'in_progress', 'completed', 'incomplete', 'failed', 'cancelled']),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.string() }).nullable(),
  output: z.array(outputItemSchema),
  usage: z
    .object({
      input_tokens: z.int(),
      input_tokens_details: z.object({ cached_tokens: z.int() }),
      output_tokens: z.int(),
      output_tokens_details: z.object({ reasoning_tokens: z.int() }),
      total_tokens: z.int(),
    })
    .nullable(),
  ...echoSchema.shape,
  bellwether: turnFactsSchema.optional(),
});

export type ResponseObject = z.output<typeof responseSchema>;

export function responseId(turnId: string): string {
  return `resp_${turnId}`;
}

/** The turn of `resp_…`; null for what is no such id. */
export function turnOfResponse(id: string): string | null {
  return /^resp_(.+)$/s.exec(id)?.[1] ?? null;
}

/** Ids of items are derived from the turn's, so that a client can refer to an item that nobody stores twice. */
export const itemIds = {
  message: (turnId: string) => `msg_${turnId}`,
  reasoning: (turnId: string) => `rs_${turnId}`,
  call: (turnId: string, index: number) => `fc_${turnId}_${index}`,
} as const;

export interface ItemReference {
  readonly kind: 'message' | 'reasoning' | 'call';
  readonly turnId: string;
  /** Of a call. */
  readonly index: number;
}

/** What an item's id refers to; null for an id that is not from here. */
export function itemOf(id: string): ItemReference | null {
  const [, prefix, turnId, index] = /^(msg|rs|fc)_([\w-]+?)(?:_(\d{1,4}))?$/.exec(id) ?? [];
  if (turnId === undefined) return null;
  if (prefix === 'fc') return index === undefined ? null : { kind: 'call', turnId, index: Number(index) };
  if (index !== undefined) return null;
  return { kind: prefix === 'msg' ? 'message' : 'reasoning', turnId, index: 0 };
}

/** A turn that has an answer. */
export function toResponse(reply: ChatReply, turn: RegisteredTurn, echo: ResponseEcho): ResponseObject {
  const reason = incompleteReasonOf(reply);
  const { prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details, completion_tokens_details } =
    usageOf(reply);
  return {
    ...frameOf(turn, echo),
    completed_at: Math.floor((turn.createdAtMs + reply.latency_ms) / 1000),
    status: reason === null ? 'completed' : 'incomplete',
    incomplete_details: reason === null ? null : { reason },
    model: modelOf(reply),
    output: outputItems(reply, turn.turnId, echo),
    usage: {
      input_tokens: prompt_tokens,
      input_tokens_details: prompt_tokens_details,
      output_tokens: completion_tokens,
      output_tokens_details: completion_tokens_details ?? { reasoning_tokens: 0 },
      total_tokens,
    },
    bellwether: turnFacts(reply),
  };
}

/** A turn that has no answer yet. */
export function unfinishedResponse(
  status: 'queued' | 'in_progress',
  turn: RegisteredTurn,
  echo: ResponseEcho,
): ResponseObject {
  return { ...frameOf(turn, echo), status };
}

/** A turn that ended without an answer. */
export function failedResponse(
  { fields }: Pick<GatewayError, 'fields'>,
  turn: RegisteredTurn,
  echo: ResponseEcho,
): ResponseObject {
  const { code, message, bellwether } = fields;
  const isStopped = code === 'turn_stopped';
  return {
    ...frameOf(turn, echo),
    status: isStopped ? 'cancelled' : 'failed',
    error: isStopped ? null : { code, message },
    ...(bellwether && { bellwether }),
  };
}

function frameOf(turn: RegisteredTurn, echo: ResponseEcho): ResponseObject {
  return {
    id: responseId(turn.turnId),
    object: 'response',
    created_at: createdOf(turn),
    completed_at: null,
    status: 'in_progress',
    error: null,
    incomplete_details: null,
    output: [],
    usage: null,
    ...echo,
  };
}

/** null: the answer is whole. */
function incompleteReasonOf(reply: ChatReply): 'max_output_tokens' | 'content_filter' | null {
  switch (finishReasonOf(reply)) {
    case 'length':
      return 'max_output_tokens';
    case 'content_filter':
      return 'content_filter';
    default:
      return null;
  }
}

/**
 * The message comes first: a stream tells its text while the thoughts, which come whole, are not known yet, and both have the
 * same order.
 */
export function outputItems(reply: ChatReply, turnId: string, { store }: Pick<ResponseEcho, 'store'>): OutputItem[] {
  const status = incompleteReasonOf(reply) === null ? 'completed' : 'incomplete';
  const calls = reply.tool_calls ?? [];
  const content = messageParts(reply);
  const items: OutputItem[] = [];
  // A model that says nothing at all has answered with an empty message.
  if (content.length > 0 || calls.length === 0) {
    const parts = content.length > 0 ? content : [textPart('')];
    items.push({ id: itemIds.message(turnId), type: 'message', status, role: 'assistant', content: parts });
  }
  if (reply.reasoning_content) {
    const summary = [{ type: 'summary_text' as const, text: reply.reasoning_content }];
    // Of a response that is stored, clients send back references.
    const encoded = store ? {} : { encrypted_content: encodeThoughts(reply.reasoning_content) };
    items.push({ id: itemIds.reasoning(turnId), type: 'reasoning', summary, ...encoded });
  }
  return [...items, ...calls.map((call, index) => callItem(call, itemIds.call(turnId, index)))];
}

type MessagePart = Extract<OutputItem, { type: 'message' }>['content'][number];

function messageParts({ content, refusal: refused }: ChatReply): MessagePart[] {
  return [
    ...(content === '' ? [] : [textPart(content)]),
    ...(refused ? [{ type: 'refusal' as const, refusal: refused }] : []),
  ];
}

function textPart(text: string): MessagePart {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function callItem(call: ToolCall, id: string): OutputItem {
  const { name, arguments: given } = fieldsOf(call['function']);
  return {
    id,
    type: 'function_call',
    status: 'completed',
    call_id: call.id,
    name: typeof name === 'string' ? name : '',
    arguments: typeof given === 'string' ? given : '',
  };
}

const thoughtsPrefix = 'bw1.';

/**
 * Thoughts for clients that send back only what is called encrypted. It is not: the client has them in plain words beside it,
 * and encoding keeps them from being taken for another provider's.
 */
function encodeThoughts(thoughts: string): string {
  return thoughtsPrefix + Buffer.from(thoughts).toString('base64url');
}

/** null: they come from another service, and nobody here can read them. */
export function decodeThoughts(encoded: string): string | null {
  return encoded.startsWith(thoughtsPrefix)
    ? Buffer.from(encoded.slice(thoughtsPrefix.length), 'base64url').toString('utf8')
    : null;
}
