/** The fields of a `POST /chat/completions` that the simulator uses. */
export interface CompletionCall {
  readonly model: string;
  /** Texts of the messages. */
  readonly contents: readonly string[];
  readonly lastRole: string;
  readonly lastUserContent: string;
  /** null: no limit. */
  readonly maxTokens: number | null;
  readonly stream: boolean;
  /** Whether a stream ends with a chunk that contains the usage. */
  readonly includeUsage: boolean;
  readonly tools: RequestedTools;
  /** The schema of the requested JSON, `{}` for any; null: text was requested. */
  readonly jsonSchema: Readonly<Record<string, unknown>> | null;
}

/** Parses the request's body; returns what is wrong with it if it is invalid. */
export function readCompletionCall(body: string): CompletionCall | { readonly invalid: string } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { invalid: 'The body is not valid JSON.' };
  }
  if (!isRecord(parsed)) return { invalid: 'The body must be a JSON object.' };
  const { model, messages, max_tokens: maxTokens, stream, stream_options: streamOptions } = parsed;
  if (typeof model !== 'string') return { invalid: "Missing required parameter: 'model'." };
  if (!Array.isArray(messages) || messages.length === 0) return { invalid: "Missing required parameter: 'messages'." };
  if (!messages.every(isRecord)) return { invalid: "Invalid type for 'messages': expected objects." };
  if (maxTokens !== undefined && !(Number.isInteger(maxTokens) && Number(maxTokens) > 0)) {
    return { invalid: "Invalid 'max_tokens': expected a positive integer." };
  }
  if (streamOptions !== undefined && stream !== true) {
    return { invalid: "The 'stream_options' parameter is only allowed when 'stream' is enabled." };
  }
  return {
    model,
    contents: messages.map((message) => textOf(message['content'])),
    lastRole: String(messages.at(-1)?.['role']),
    lastUserContent: textOf(messages.findLast((message) => message['role'] === 'user')?.['content']),
    maxTokens: maxTokens === undefined ? null : Number(maxTokens),
    stream: stream === true,
    includeUsage: isRecord(streamOptions) && streamOptions['include_usage'] === true,
    tools: readTools(parsed['tools'], parsed['tool_choice']),
    jsonSchema: readJsonSchema(parsed['response_format']),
  };
}

function readTools(tools: unknown, choice: unknown): RequestedTools {
  const names = (Array.isArray(tools) ? tools : []).map((tool) => fieldOf(fieldOf(tool, 'function'), 'name'));
  const chosen = fieldOf(fieldOf(choice, 'function'), 'name');
  return {
    names: choice === 'none' ? [] : names.filter((name) => typeof name === 'string'),
    forced: typeof chosen === 'string' ? chosen : null,
  };
}

function readJsonSchema(format: unknown): Readonly<Record<string, unknown>> | null {
  const type = fieldOf(format, 'type');
  if (type === 'json_object') return {};
  if (type !== 'json_schema') return null;
  const schema = fieldOf(fieldOf(format, 'json_schema'), 'schema');
  return isRecord(schema) ? schema : {};
}

/** A message's content is a text or a list of parts. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content.map((part) => (isRecord(part) && typeof part['text'] === 'string' ? part['text'] : '')).join('');
}

function fieldOf(value: unknown, field: string): unknown {
  return isRecord(value) ? value[field] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The tools of a request, and the one that `tool_choice` forces. */
interface RequestedTools {
  readonly names: readonly string[];
  readonly forced: string | null;
}

export interface SimulatedToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** `call get_weather {"city":"Paris"}`, one call per line. */
const askedCallPattern = /^call ([\w-]+) ?(\{.*\})?$/;

/**
 * The tool calls that a user's message asks for, restricted to the available tools. Deterministic, with ids that depend on
 * the position in the conversation.
 */
export function toolCallsFor(
  tools: RequestedTools,
  message: string,
  messageCount: number,
): readonly SimulatedToolCall[] {
  const asked = message
    .split('\n')
    .map((line) => askedCallPattern.exec(line.trim()))
    .filter((match) => match !== null)
    .map(([, name = '', argumentsJson = '{}']) => ({ name, arguments: argumentsJson }))
    .filter(({ name }) => tools.names.includes(name));
  const calls = asked.length === 0 && tools.forced !== null ? [{ name: tools.forced, arguments: '{}' }] : asked;
  return calls.map((call, index) => ({
    id: `call_${messageCount}_${index}_${call.name}`,
    type: 'function',
    function: call,
  }));
}
