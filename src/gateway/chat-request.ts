/** The body of `POST /v1/chat/completions`: strict about the fields that mean something here, silent about all others. */
import { z } from 'zod';
import { type ChatMessage, chatRoles, partTypes } from '../contract/chat';
import { limits } from '../contract/limits';
import type { ProblemPath } from '../contract/problem';
import { listsProblem } from '../domain/turn/validate-input';
import { wrongField } from './gateway-error';

/** What it holds stands in the field that its type names. */
const contentPart = z
  .looseObject({
    type: z.string(),
    text: z.string().nullish(),
    image_url: z.looseObject({ url: z.string() }).nullish(),
    refusal: z.string().nullish(),
  })
  .superRefine((part, context) => {
    const field = partTypes.find((type) => type === part.type);
    if (field !== undefined && (part[field] ?? null) === null) {
      context.addIssue({ code: 'custom', path: [field], message: 'is missing' });
    }
  });

/** A call, or a tool, that is a function holds what it is in that field. */
function holdFunction(holder: { readonly type: string; readonly function?: unknown }, context: z.RefinementCtx): void {
  if (holder.type === 'function' && (holder.function ?? null) === null) {
    context.addIssue({ code: 'custom', path: ['function'], message: 'is missing' });
  }
}

const toolCall = z
  .looseObject({
    id: z.string(),
    type: z.string().default('function'),
    function: z.looseObject({ name: z.string(), arguments: z.string() }).nullish(),
  })
  .superRefine(holdFunction);

const tool = z
  .looseObject({ type: z.string(), function: z.looseObject({ name: z.string() }).nullish() })
  .superRefine(holdFunction);

const message = z.object({
  role: z.enum(chatRoles),
  content: z
    .union([z.string(), z.array(contentPart).min(1)])
    .nullish()
    .describe(
      "A text, or parts of type text and image_url (of an assistant's message also refusal); may be left out beside tool_calls.",
    ),
  refusal: z.string().nullish().describe("Of an assistant's message without content, in its place."),
  name: z.string().nullish(),
  reasoning_content: z
    .string()
    .nullish()
    .describe(
      "Of an assistant's message with tool_calls: what the model thought, as the answer with the calls told it.",
    ),
  tool_calls: z.array(toolCall).nullish(),
  tool_call_id: z.string().nullish().describe("Of a tool's message: the call that it answers."),
});

/** Looks no further than the first that is none: the schema of each would tell of all of them. */
function holdsNumbers(biases: Readonly<Record<string, unknown>>): boolean {
  return Object.values(biases).every((bias) => typeof bias === 'number');
}

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
  logit_bias: z.record(z.string(), z.unknown()).refine(holdsNumbers, 'must hold numbers').nullish(),
  reasoning_effort: z.string().nullish(),
  verbosity: z.string().nullish(),
  prediction: z.looseObject({ type: z.string() }).nullish(),
  prompt_cache_key: z.string().nullish(),
};

export const passedThroughFields = Object.keys(passedThrough) as readonly (keyof typeof passedThrough)[];

/** OpenAI knows texts and sounds. */
const modalityCount = 2;

const notOffered = (instead: string) =>
  z
    .unknown()
    .refine((value) => value === undefined || value === null, `is not offered: ${instead}`)
    .optional();

export const chatRequestSchema = z.object({
  model: z
    .string()
    .min(1)
    .describe(
      '`bellwether`, or an alias of it: routing decides. A model of /v1/models: it is asked first where the arm that routing chose has it; the rest of the chain stays behind it.',
    ),
  messages: z.array(message).min(1).max(limits.maxMessages),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).nullish().describe("The service's own cap holds over it."),
  max_completion_tokens: z.int().min(1).nullish().describe('As max_tokens; wins over it.'),
  temperature: z.number().min(0).max(2).nullish(),
  n: z.literal(1).nullish().describe('One answer for a request.'),
  user: z.string().nullish().describe('The end user, by whom a rollout decides who goes to its new arm.'),
  metadata: z
    .looseObject({ session_id: z.string().nullish(), user_id: z.string().nullish() })
    .nullish()
    .describe('`session_id` names the conversation where no header does. Goes to no provider.'),
  modalities: z.array(z.literal('text')).max(modalityCount).nullish(),
  functions: notOffered('use tools'),
  function_call: notOffered('use tool_choice'),
  audio: notOffered('answers are texts'),
  web_search_options: notOffered('providers charge a fee for each search that no budget here knows; use tools'),
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

/** A field of a turn by its name in the body. */
export function pathInBody([field, ...inside]: ProblemPath): ProblemPath {
  if (field === 'modelOptions') return inside;
  return field === undefined ? [] : [bodyFields.get(field) ?? field, ...inside];
}

const bodyFields: ReadonlyMap<unknown, string> = new Map([
  ['maxTokens', 'max_tokens'],
  ['userId', 'user'],
]);
