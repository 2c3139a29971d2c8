/**
 * The body of `POST /v1/responses`: strict about the fields that mean something here. What OpenAI would run itself, at a price
 * that no budget here knows, is refused by name. All else is ignored, and the answer's headers say so.
 */
import { z } from 'zod';
import { limits } from '../../contract/limits';
import type { ProblemPath } from '../../contract/problem';
import { fieldsOf } from '../../domain/fields-of';
import { refusedOptions } from '../../domain/turn/model-options';
import { valueInWords } from '../../domain/turn/validate-input';
import { type ChatRequest, chatRequestSchema, notOffered } from '../chat-request';
import { badRequest } from '../gateway-error';
import { itemsSchema } from './input-items';
import { plainEcho, type ResponseEcho } from './response-object';

/** What to do in place of each tool that OpenAI runs itself. */
const hostedTools: Readonly<Record<string, string>> = {
  web_search: 'search in a function of yours',
  web_search_preview: 'search in a function of yours',
  file_search: 'search in a function of yours, or put what it would find into input',
  code_interpreter: 'run code in a function of yours',
  image_generation: 'answers are text only',
  mcp: 'call the MCP server yourself, and offer its tools as functions',
  computer: 'operate the computer in a function of yours',
  computer_use_preview: 'operate the computer in a function of yours',
  local_shell: 'run commands in a function of yours',
  shell: 'run commands in a function of yours',
  apply_patch: 'apply patches in a function of yours',
  custom: 'use a function with one string as its parameter',
  namespace: 'offer its functions one by one',
  tool_search: 'offer all functions at once',
};

function notFunction(type: unknown): string {
  if (type === undefined) return 'is missing';
  if (typeof type !== 'string' || !Object.hasOwn(hostedTools, type)) {
    return `must be function, not ${valueInWords(type)}`;
  }
  return `must be function: ${type} is not offered; ${hostedTools[type]}`;
}

const typeOf = (input: unknown): unknown => (input as { readonly type?: unknown } | null)?.type;

const functionTool = z.looseObject({
  type: z.literal('function', { error: ({ input }) => notFunction(input) }),
  name: z.string().min(1),
  description: z.string().nullish(),
  parameters: z.looseObject({}).nullish(),
  strict: z.boolean().nullish(),
});

const namedFunction = z.looseObject({ type: z.literal('function'), name: z.string().min(1) });

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion(
    'type',
    [
      namedFunction,
      z.looseObject({
        type: z.literal('allowed_tools'),
        mode: z.enum(['auto', 'required']),
        tools: z.array(namedFunction).min(1).max(limits.maxTools),
      }),
    ],
    {
      error: ({ code, input }) =>
        code === 'invalid_union'
          ? `must be function or allowed_tools, not ${valueInWords(typeOf(input))}`
          : 'must be none, auto, required, or an object that names a function',
    },
  ),
]);

const format = z.discriminatedUnion(
  'type',
  [
    z.looseObject({ type: z.literal('text') }),
    z.looseObject({ type: z.literal('json_object') }),
    z.looseObject({
      type: z.literal('json_schema'),
      name: z.string().min(1),
      schema: z.looseObject({}),
      description: z.string().nullish(),
      strict: z.boolean().nullish(),
    }),
  ],
  {
    error: ({ code, input }) =>
      code === 'invalid_union'
        ? `must be text, json_object or json_schema, not ${valueInWords(typeOf(input))}`
        : 'must be an object with a type',
  },
);

const maxMetadataPairs = 16;
const maxMetadataKeyLength = 64;
const maxMetadataValueLength = 512;
const metadata = z
  .record(
    z.string().max(maxMetadataKeyLength, `must have names of at most ${maxMetadataKeyLength} characters`),
    z.string().max(maxMetadataValueLength),
  )
  .nullish()
  .describe(
    '16 pairs at most, of 64 and 512 characters. `session_id` names the conversation where no other field does.',
  );

/** An id that may become part of others, or is looked up. */
const idText = z.string().min(1).max(limits.maxIdLength);

const shortText = z.string().max(maxMetadataValueLength).nullish();

const include = z.enum(
  [
    'reasoning.encrypted_content',
    // Of tools that are not offered, so that there never is any: some clients ask for all there is.
    'web_search_call.results',
    'web_search_call.action.sources',
    'file_search_call.results',
    'code_interpreter_call.outputs',
    'computer_call_output.output.image_url',
    'message.input_image.image_url',
  ],
  { error: ({ input }) => `must be reasoning.encrypted_content, not ${valueInWords(input)}` },
);
const maxIncluded = 16;

export const responseRequestSchema = z.object({
  model: z
    .string()
    .min(1)
    .max(limits.maxModelLength)
    .describe('`bellwether`, an alias of it, or a model of /v1/models.'),
  fallbacks: chatRequestSchema.shape.fallbacks,
  input: z.union([z.string().min(1), itemsSchema]),
  instructions: z.string().nullish().describe('For this response alone: one that continues it does not inherit them.'),
  previous_response_id: idText.nullish().describe('What was said up to that response comes before the input.'),
  conversation: z
    .union([idText, z.looseObject({ id: idText })])
    .nullish()
    .describe('The session, whose memory comes before the input, and to which this turn is added.'),
  store: z.boolean().nullish().describe('false: nothing can be asked for, or continued, by the id of the response.'),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({}).nullish(),
  background: z
    .boolean()
    .nullish()
    .describe('true: answered at once; the turn goes on, and GET shows it or joins its stream.'),
  tools: z.array(functionTool).max(limits.maxTools).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  max_tool_calls: z.int().min(1).nullish().describe('Without effect: only OpenAI’s own tools count.'),
  text: z.looseObject({ format: format.nullish(), verbosity: z.enum(['low', 'medium', 'high']).nullish() }).nullish(),
  reasoning: z
    .looseObject({ effort: z.string().max(limits.maxIdLength).nullish(), summary: z.string().nullish() })
    .nullish()
    .describe('`effort` goes to the model. Thoughts are told as `summary`, whether asked for or not.'),
  max_output_tokens: z.int().min(1).nullish().describe("The service's own cap holds over it."),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_logprobs: notOffered(refusedOptions.top_logprobs, 0),
  truncation: z
    .enum(['auto', 'disabled'])
    .nullish()
    .describe('A conversation has a window, whichever it is; what fits no model is refused.'),
  include: z.array(include).max(maxIncluded).nullish(),
  metadata,
  user: shortText.describe('The end user, by whom a rollout decides who goes to its new arm.'),
  safety_identifier: shortText.describe('As user, which wins over it.'),
  prompt_cache_key: shortText,
  prompt_cache_retention: shortText,
  service_tier: notOffered('its price is not the one that budgets count with', 'auto', 'default'),
  prompt: notOffered('send what the stored prompt says, as instructions and input'),
});

export type ResponseRequest = z.output<typeof responseRequestSchema>;

/** null: the request names no conversation. */
export function conversationOf({ conversation }: ResponseRequest): string | null {
  return typeof conversation === 'string' ? conversation : (conversation?.id ?? null);
}

/** null: none. */
export function instructionsOf({ instructions }: ResponseRequest): string | null {
  return typeof instructions === 'string' && instructions.trim() !== '' ? instructions : null;
}

/** The options of a turn in the form of chat completions, which models read. */
export function chatOptionsOf(body: ResponseRequest): Omit<ChatRequest, 'messages'> {
  const { tools, tool_choice: choice, text, reasoning, metadata: pairs } = body;
  return {
    model: body.model,
    fallbacks: body.fallbacks,
    // Whoever comes back for it may want its stream.
    stream: body.stream === true || body.background === true,
    max_completion_tokens: body.max_output_tokens,
    temperature: body.temperature,
    top_p: body.top_p,
    tools: tools?.map(({ name, description, parameters, strict }) => ({
      type: 'function' as const,
      function: { name, ...withoutNulls({ description, parameters, strict }) },
    })),
    tool_choice: chatToolChoice(choice),
    parallel_tool_calls: body.parallel_tool_calls,
    response_format: responseFormat(text?.format),
    verbosity: text?.verbosity,
    reasoning_effort: reasoning?.effort,
    prompt_cache_key: body.prompt_cache_key,
    ...withoutNulls({
      prompt_cache_retention: body.prompt_cache_retention,
      safety_identifier: body.safety_identifier,
    }),
    user: body.user ?? body.safety_identifier,
    metadata: pairs,
  };
}

function chatToolChoice(choice: ResponseRequest['tool_choice']): ChatRequest['tool_choice'] {
  if (choice === null || choice === undefined || typeof choice === 'string') return choice;
  if (choice.type === 'function') return named(choice.name);
  const tools = choice.tools.map(({ name }) => named(name));
  return { type: 'allowed_tools', allowed_tools: { mode: choice.mode, tools } };
}

function named(name: string) {
  return { type: 'function', function: { name } };
}

type Format = NonNullable<ResponseRequest['text']>['format'];

function responseFormat(format_: Format): ChatRequest['response_format'] {
  if (format_ === null || format_ === undefined || format_.type === 'text') return undefined;
  if (format_.type === 'json_object') return { type: 'json_object' };
  const { name, schema, description, strict } = format_;
  return { type: 'json_schema', json_schema: { name, schema, ...withoutNulls({ description, strict }) } };
}

/** What the response says of this request. */
export function echoOf(body: ResponseRequest): ResponseEcho {
  const conversation = conversationOf(body);
  const { reasoning, text } = body;
  return {
    ...plainEcho,
    ...withoutNulls({
      instructions: instructionsOf(body),
      metadata: body.metadata,
      tool_choice: body.tool_choice,
      parallel_tool_calls: body.parallel_tool_calls,
      temperature: body.temperature,
      top_p: body.top_p,
      max_output_tokens: body.max_output_tokens,
      max_tool_calls: body.max_tool_calls,
      truncation: body.truncation,
      previous_response_id: body.previous_response_id,
      store: body.store,
      background: body.background,
      user: body.user,
      safety_identifier: body.safety_identifier,
      prompt_cache_key: body.prompt_cache_key,
    }),
    model: body.model,
    tools: (body.tools ?? []).map(({ type, name, description = null, parameters = null, strict = null }) => {
      return { type, name, description, parameters, strict };
    }),
    text: { format: text?.format ?? { type: 'text' }, ...withoutNulls({ verbosity: text?.verbosity }) },
    reasoning: { effort: reasoning?.effort ?? null, summary: reasoning?.summary ?? null },
    conversation: conversation === null ? null : { id: conversation },
  };
}

type WithoutNulls<Fields> = { [Field in keyof Fields]?: NonNullable<Fields[Field]> };

function withoutNulls<Fields extends object>(fields: Fields): WithoutNulls<Fields> {
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(given) as WithoutNulls<Fields>;
}

/**
 * What of a body is too long, before the schema looks at any of it: the schema tells all that is wrong with every entry, and
 * knows each list alone. @throws {GatewayError}
 */
export function refuseLongItems(body: unknown): void {
  const { input, tools, metadata: pairs } = fieldsOf(body);
  refuseLonger('tools', tools, limits.maxTools);
  refuseLonger('input', input, limits.maxMessages);
  const pairCount = Array.isArray(pairs) ? 0 : Object.keys(fieldsOf(pairs)).length;
  if (pairCount > maxMetadataPairs) {
    throw badRequest(`metadata has ${pairCount} pairs, the limit is ${maxMetadataPairs}.`, 'metadata');
  }
  if (!Array.isArray(input)) return;
  let parts = 0;
  for (const item of input as readonly unknown[]) {
    const { content, output, summary } = fieldsOf(item);
    for (const list of [content, output, summary]) parts += Array.isArray(list) ? list.length : 0;
  }
  if (parts > limits.maxParts) {
    throw badRequest(`input has ${parts} parts in all, the limit is ${limits.maxParts}.`, 'input');
  }
}

function refuseLonger(field: string, list: unknown, limit: number): void {
  if (!Array.isArray(list) || list.length <= limit) return;
  throw badRequest(`${field} has ${list.length} entries, the limit is ${limit}.`, field);
}

const optionPaths: Readonly<Record<string, ProblemPath>> = {
  max_completion_tokens: ['max_output_tokens'],
  max_tokens: ['max_output_tokens'],
  response_format: ['text', 'format'],
  verbosity: ['text', 'verbosity'],
  reasoning_effort: ['reasoning', 'effort'],
};

/** Where in the body a path of chat completions is. @param messages the place of each message */
export function pathInResponseRequest(path: ProblemPath, messages: readonly ProblemPath[]): ProblemPath {
  const [field, index, ...inside] = path;
  if (field === 'messages') {
    const place = typeof index === 'number' ? messages[index] : undefined;
    if (place === undefined) return ['input'];
    // The input as one text has no fields, and neither has what came before it.
    if (place.length === 1) return place;
    // The address is a field of its own in chat completions alone.
    return [...place, ...(inside.at(-2) === 'image_url' ? inside.slice(0, -1) : inside)];
  }
  return typeof field === 'string' && Object.hasOwn(optionPaths, field) ? optionPaths[field]! : path;
}
