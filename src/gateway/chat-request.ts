/**
 * The body of `POST /v1/chat/completions`: strict about the fields that mean something here. What would cost what no budget
 * knows, or change the answer's form, is refused by name. All else is ignored, and the answer's headers say so.
 */
import { z } from 'zod';
import { type ChatMessage, chatRoles } from '../contract/chat';
import { limits } from '../contract/limits';
import type { ProblemPath } from '../contract/problem';
import { notCallersTool, refusedOptions, toolTypes } from '../domain/turn/model-options';
import { listsProblem, valueInWords } from '../domain/turn/validate-input';
import { wrongField } from './gateway-error';

/** A field that is accepted only when it is switched off: some clients send every field they know. */
export function notOffered(instead: string, ...off: readonly (boolean | number | string)[]) {
  const error = `is not offered: ${instead}`;
  return off.length === 0 ? z.null({ error }).optional() : z.literal([...off, null], { error }).optional();
}

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
/** Other rules are checked before the schema, by `takeImages`, and after it, by the turn's own checks. */
const imageUrl = z
  .string()
  .meta({ pattern: '^([Hh][Tt][Tt][Pp][Ss]://[^\\s/]|[Dd][Aa][Tt][Aa]:image/[^,]*;base64,.)' })
  .describe('An address that begins with https://, or the picture itself: data:image/png;base64,…');
const imagePart = z.looseObject({ type: z.literal('image_url'), image_url: z.looseObject({ url: imageUrl }) });
const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });

/** Whatever else a provider may read (sounds, files) it also charges for, and a reservation knows nothing of that. */
const parts = z.array(z.discriminatedUnion('type', [textPart, imagePart], { error: wrongType('text', 'image_url') }));
const answerParts = z.array(
  z.discriminatedUnion('type', [textPart, imagePart, refusalPart], {
    error: wrongType('text', 'image_url', 'refusal'),
  }),
);

/** Of a discriminated union, all of whose members are objects. */
function wrongType(...types: readonly string[]): z.core.$ZodErrorMap {
  return ({ code, input }) => {
    if (code !== 'invalid_union') return 'must be an object';
    const type: unknown = (input as { readonly type?: unknown } | null)?.type;
    return type === undefined ? 'is missing' : `must be one of ${types.join(', ')}, not ${valueInWords(type)}`;
  };
}

const toolCall = z.preprocess(
  withDefaultType,
  z.discriminatedUnion(
    'type',
    [
      z.looseObject({
        id: z.string(),
        type: z.literal('function'),
        function: z.looseObject({ name: z.string(), arguments: z.string() }),
      }),
      z.looseObject({ id: z.string(), type: z.literal('custom') }),
    ],
    { error: wrongType(...toolTypes) },
  ),
);

/** Some clients leave it out where there is but one. */
function withDefaultType(call: unknown): unknown {
  const isObject = typeof call === 'object' && call !== null && !Array.isArray(call);
  return isObject && (call as { readonly type?: unknown }).type === undefined ? { ...call, type: 'function' } : call;
}

const tool = z.discriminatedUnion(
  'type',
  [
    z.looseObject({ type: z.literal('function'), function: z.looseObject({ name: z.string() }) }),
    z.looseObject({ type: z.literal('custom') }),
  ],
  {
    error: ({ code, input }) =>
      code === 'invalid_union'
        ? notCallersTool((input as { readonly type?: unknown } | null)?.type)
        : 'must be an object',
  },
);

const name = z.string().nullish();
const prompt = z.object({ content: z.union([z.string(), parts.min(1)]).nullish(), name });

const message = z.discriminatedUnion(
  'role',
  [
    prompt.extend({ role: z.literal('system') }),
    prompt.extend({ role: z.literal('developer') }),
    z.object({ role: z.literal('user'), content: z.union([z.string(), parts.min(1)]), name }),
    z.object({
      role: z.literal('assistant'),
      content: z.union([z.string(), answerParts]).nullish().describe('May be left out.'),
      refusal: z.string().nullish().describe('Of a message without content, in its place.'),
      reasoning_content: z
        .string()
        .nullish()
        .describe("The model's reasoning before its tool_calls, exactly as it was returned with them."),
      name,
      tool_calls: z.array(toolCall).nullish(),
      function_call: notOffered('use tool_calls'),
      audio: notOffered('answers are text only'),
    }),
    z.object({
      role: z.literal('tool'),
      content: z.union([z.string(), parts]).nullish().describe('May be left out: the tool returned nothing.'),
      tool_call_id: z.string('must name the call that it answers').describe('The call that it answers.'),
      name,
    }),
  ],
  {
    error: ({ code }) =>
      code === 'invalid_union' ? `must be one of ${chatRoles.join(', ')}` : 'must be an object with a role',
  },
);

/** Looks no further than the first that is none: the schema of each would tell of all of them. */
function holdsNumbers(biases: Readonly<Record<string, unknown>>): boolean {
  return Object.values(biases).every((bias) => typeof bias === 'number');
}

/**
 * Parameters that some providers have and others do not: they go to the provider as they are, and one that does not know
 * them says so. They are about how the model samples, how long it thinks and which form its answer has.
 */
const parametersOfSomeProviders = [
  // Thinking: Anthropic, DeepSeek, GLM, Qwen, OpenRouter, Groq, Ollama, Gemini, Mistral; templates of vLLM and SGLang.
  'thinking',
  'enable_thinking',
  'thinking_budget',
  'thinking_config',
  'reasoning',
  'reasoning_format',
  'include_reasoning',
  'think',
  'prompt_mode',
  'chat_template_kwargs',
  // Sampling: OpenRouter, vLLM, llama.cpp, Ollama, Mistral, GLM, Cohere.
  'top_k',
  'top_a',
  'min_p',
  'typical_p',
  'tfs_z',
  'repetition_penalty',
  'repeat_penalty',
  'repeat_last_n',
  'length_penalty',
  'mirostat',
  'mirostat_eta',
  'mirostat_tau',
  'min_tokens',
  'random_seed',
  'do_sample',
  'ignore_eos',
  'stop_token_ids',
  'skip_special_tokens',
  'num_ctx',
  // Form: vLLM, llama.cpp, Fireworks.
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'structured_outputs',
  'grammar',
  // Rules and caches.
  'safe_prompt',
  'safety_settings',
  'safety_identifier',
  'prompt_cache_retention',
  'vl_high_resolution_images',
] as const;

type AnyValue = Readonly<Record<(typeof parametersOfSomeProviders)[number], z.ZodOptional<z.ZodUnknown>>>;
const anyValue = Object.fromEntries(
  parametersOfSomeProviders.map((field) => [field, z.unknown().optional()]),
) as AnyValue;

/** What goes to the provider as it is. */
const passedThrough = {
  tools: z.array(tool).max(limits.maxTools).nullish(),
  tool_choice: z.union([z.string(), z.looseObject({ type: z.string() })]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  response_format: z.looseObject({ type: z.string() }).nullish(),
  stop: z.union([z.string(), z.array(z.string()).max(4)], 'must be a string or a list of at most 4 strings').nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z
    .record(z.string(), z.unknown())
    .refine(holdsNumbers, 'must hold numbers')
    .meta({ additionalProperties: { type: 'number' } })
    .nullish(),
  reasoning_effort: z.string().nullish(),
  verbosity: z.string().nullish(),
  prediction: z.looseObject({ type: z.string() }).nullish(),
  prompt_cache_key: z.string().nullish(),
  ...anyValue,
  extra_body: z.unknown().optional().describe("Gemini's google.thinking_config, and nothing else."),
};

export const passedThroughFields = Object.keys(passedThrough) as readonly (keyof typeof passedThrough)[];

/** OpenAI knows texts and sounds. */
const modalityCount = 2;

/** Some clients name their users by the number of a row. */
const id = z.union([z.string(), z.int()], 'must be a string or a whole number').transform(String).nullish();

const sessionId = z
  .union(
    [z.string().regex(/\S/, "is empty: give the session's id, or leave it out for a request without memory"), z.int()],
    { error: ({ code }) => (code === 'invalid_union' ? '' : 'must be a string or a whole number') },
  )
  .transform(String)
  .nullish();

type Refused = { readonly [Field in keyof typeof refusedOptions]: z.ZodOptional<z.ZodType<boolean | number | null>> };
const refused = Object.fromEntries(
  Object.entries(refusedOptions).map(([field, instead]) => [field, notOffered(instead, false, 0)]),
) as unknown as Refused;

export const chatRequestSchema = z.object({
  model: z
    .string()
    .min(1)
    .max(limits.maxModelLength)
    .describe(
      '`bellwether`, or an alias of it: routing decides. A chain of /v1/models: its targets are tried in order. A model of /v1/models: it is asked first where the arm that routing chose has it; the rest of the chain stays behind it.',
    ),
  fallbacks: z
    .array(z.string().min(1).max(limits.maxModelLength))
    .max(limits.maxFallbacks)
    .nullish()
    .describe('Models of /v1/models that are tried, in order, when all targets of the chain have failed.'),
  messages: z.array(message).min(1).max(limits.maxMessages),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).nullish().describe("The service's own cap holds over it."),
  max_completion_tokens: z.int().min(1).nullish().describe('As max_tokens; wins over it.'),
  temperature: z.number().min(0).max(2).nullish(),
  n: z.literal(1).nullish().describe('One answer for a request.'),
  user: id.describe('The end user, by whom a rollout decides who goes to its new arm.'),
  metadata: z
    .looseObject({ session_id: sessionId, user_id: id })
    .nullish()
    .describe('`session_id` names the conversation where no header does. Goes to no provider.'),
  modalities: z.array(z.literal('text')).max(modalityCount).nullish(),
  functions: z.array(z.unknown()).max(0, 'is not offered: use tools').nullish(),
  function_call: notOffered('use tool_choice', 'none', 'auto'),
  best_of: notOffered('one answer for a request', 1),
  service_tier: notOffered('its price is not the one that budgets count with', 'auto', 'default', 'standard'),
  speed: notOffered('its price is not the one that budgets count with', 'standard'),
  ...refused,
  ...passedThrough,
});

export type ChatRequest = z.output<typeof chatRequestSchema>;

/**
 * What of a body is too long, before the schema looks at any of it: the schema tells all that is wrong with every entry, and
 * knows each list alone. @throws {GatewayError}
 */
export function refuseLongLists(body: unknown): void {
  const { messages, tools } = (body ?? {}) as { readonly messages?: unknown; readonly tools?: unknown };
  const problem = listsProblem({ messages: messages as readonly ChatMessage[], modelOptions: { tools } });
  if (problem !== null) throw wrongField({ ...problem, path: pathInBody(problem.path) });
}

/** In the header of the answer: more would not fit some proxies. */
const maxIgnoredNames = 20;
const maxIgnoredNameLength = 64;

const fieldsOfMessages: ReadonlySet<string> = new Set(message.options.flatMap(({ shape }) => Object.keys(shape)));

/** Fields of a body that mean nothing here, for the header that tells of them: `id, messages[].opts`. */
export function ignoredFields(body: unknown, known: object = chatRequestSchema.shape): readonly string[] {
  if (typeof body !== 'object' || body === null) return [];
  const { messages } = body as { readonly messages?: unknown };
  const ofBody = Object.keys(body).filter((field) => !Object.hasOwn(known, field));
  const ofMessages = new Set<string>();
  for (const each of Array.isArray(messages) ? (messages as readonly unknown[]) : []) {
    if (typeof each !== 'object' || each === null) continue;
    for (const [field, value] of Object.entries(each)) {
      if (!fieldsOfMessages.has(field) && value !== null) ofMessages.add(`messages[].${field}`);
    }
    if (ofMessages.size > maxIgnoredNames) break;
  }
  return [...ofBody, ...ofMessages]
    .filter((field) => /^[\w.[\]-]+$/.test(field.slice(0, maxIgnoredNameLength)))
    .slice(0, maxIgnoredNames)
    .map((field) => field.slice(0, maxIgnoredNameLength));
}

/** A field of a turn by its name in the body. */
export function pathInBody([field, ...inside]: ProblemPath): ProblemPath {
  if (field === 'modelOptions') return inside;
  return field === undefined ? [] : [bodyFields.get(field) ?? field, ...inside];
}

const bodyFields: ReadonlyMap<unknown, string> = new Map([
  ['maxTokens', 'max_tokens'],
  ['userId', 'user'],
]);
