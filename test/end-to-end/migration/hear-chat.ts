import { fields, type Heard, list, onlyFields, refuse, text } from './heard';

const bodyFields = [
  'model',
  'messages',
  'max_tokens',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'reasoning_effort',
];

const messageFields: Readonly<Record<string, readonly string[]>> = {
  system: [],
  user: [],
  assistant: ['tool_calls', 'reasoning_content'],
  tool: ['tool_call_id'],
};

type Message = Readonly<Record<string, unknown>>;
type Part = Readonly<Record<string, unknown>>;

/** Reads a request as strictly as OpenAI's chat completions, and DeepSeek's with its thoughts. Throws a `Refusal`. */
export function hearChat(given: Readonly<Record<string, unknown>>): Heard {
  const body = onlyFields(given, bodyFields, 'body');
  const messages = list(body['messages'], 'messages').map(readMessage);
  checkCalls(messages);
  const lastAnswer = messages.findLastIndex(({ role }) => role === 'assistant');
  return {
    question: textOf(messages.findLast(({ role }) => role === 'user') ?? {}),
    images: messages.flatMap((message) =>
      partsOf(message)
        .filter(({ type }) => type === 'image_url')
        .map(imageOf),
    ),
    results: messages
      .slice(lastAnswer + 1)
      .filter(({ role }) => role === 'tool')
      .map(textOf),
    callIds: messages.flatMap((message) => callsOf(message).map(({ id }) => String(id))),
    hasTools: toolsOf(body['tools']) > 0,
    thinks: body['reasoning_effort'] !== undefined,
    // It caches by itself.
    caches: true,
  };
}

function readMessage(given: unknown, index: number): Message {
  const where = `messages[${index}]`;
  const { role } = fields(given, where);
  const known = messageFields[String(role)];
  refuse(known === undefined, `${where}.role is ${String(role)}`);
  const message = onlyFields(given, ['role', 'content', ...(known ?? [])], where);
  if (typeof message['content'] !== 'string' && message['content'] !== null) {
    for (const [at, part] of list(message['content'], `${where}.content`).entries()) {
      const place = `${where}.content[${at}]`;
      const { type } = fields(part, place);
      refuse(type !== 'text' && type !== 'image_url', `${place}.type is ${String(type)}`);
      onlyFields(part, ['type', String(type)], place);
    }
  }
  if (message['tool_calls'] !== undefined) {
    for (const call of list(message['tool_calls'], `${where}.tool_calls`)) {
      const { id, type, ...rest } = onlyFields(call, ['id', 'type', 'function'], `${where}.tool_calls[]`);
      refuse(text(id, 'id').length > 40 || type !== 'function', `${where}.tool_calls[] is none of a function`);
      const { arguments: json } = onlyFields(rest['function'], ['name', 'arguments'], `${where}.function`);
      JSON.parse(text(json, 'arguments'));
    }
  }
  return message;
}

/** Each call is followed by its result, before anything else. */
function checkCalls(messages: readonly Message[]): void {
  let open = new Set<unknown>();
  for (const [index, message] of messages.entries()) {
    if (message['role'] === 'tool') {
      refuse(!open.delete(message['tool_call_id']), `messages[${index}] is the result of no call`);
      continue;
    }
    refuse(open.size > 0, `messages[${index}] follows calls without results`);
    open = new Set(callsOf(message).map(({ id }) => id));
  }
  refuse(open.size > 0, 'the last calls have no results');
}

function callsOf({ tool_calls: calls }: Message): readonly Part[] {
  return (calls ?? []) as readonly Part[];
}

function partsOf({ content }: Message): readonly Part[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : ((content ?? []) as readonly Part[]);
}

function textOf(message: Message): string {
  return partsOf(message)
    .map((part) => (part['type'] === 'text' ? String(part['text']) : ''))
    .join('');
}

function imageOf({ image_url: image }: Part): string {
  const url = text(onlyFields(image, ['url', 'detail'], 'image_url')['url'], 'url');
  refuse(!url.startsWith('data:image/png;base64,'), 'an image is not a PNG in a data: URL');
  return url.slice(url.indexOf(',') + 1);
}

function toolsOf(tools: unknown): number {
  if (tools === undefined) return 0;
  return list(tools, 'tools').map((tool) => onlyFields(tool, ['type', 'function'], 'tools[]')).length;
}
