import { createHash } from 'node:crypto';
import { fields, type Heard, list, onlyFields, refuse, text } from './heard';

/** Anthropic's proof that a thought is its model's own. */
export function signatureOf(thought: string): string {
  return createHash('sha256').update(`anthropic ${thought}`).digest('base64');
}

const bodyFields = [
  'model',
  'messages',
  'max_tokens',
  'system',
  'tools',
  'tool_choice',
  'stream',
  'thinking',
  'temperature',
];

type Block = Readonly<Record<string, unknown>>;

interface Message {
  readonly role: unknown;
  readonly blocks: readonly Block[];
}

/** Reads a request as strictly as Anthropic's Messages API. Throws a `Refusal`. */
export function hearAnthropic(given: Readonly<Record<string, unknown>>): Heard {
  const body = onlyFields(given, bodyFields, 'body');
  const maxTokens = body['max_tokens'];
  refuse(typeof maxTokens !== 'number', 'max_tokens is missing');
  const thinks = isThinking(body, Number(maxTokens));
  const messages = list(body['messages'], 'messages').map(readMessage);
  refuse(messages[0]?.role !== 'user', 'the first message is not the user’s');
  checkCalls(messages);
  const last = messages.at(-1);
  const calling = messages.findLast(({ role }) => role === 'assistant');
  const results = (last?.blocks ?? []).filter(({ type }) => type === 'tool_result');
  refuse(
    thinks && results.length > 0 && calling?.blocks[0]?.['type'] !== 'thinking',
    'a thinking model goes on from calls without the thoughts before them',
  );
  const questions = messages.filter(
    ({ role, blocks }) => role === 'user' && blocks.some(({ type }) => type === 'text'),
  );
  const points = JSON.stringify(body).split('"cache_control":').length - 1;
  refuse(points > 4, 'more than 4 blocks have cache_control');
  return {
    question: textsOf(questions.at(-1)?.blocks ?? []),
    images: messages.flatMap(({ blocks }) => blocks.filter(({ type }) => type === 'image').map(imageOf)),
    results: results.map((block) => resultOf(block)),
    callIds: messages.flatMap(({ blocks }) => callIdsOf(blocks)),
    hasTools: toolsOf(body['tools']) > 0,
    thinks,
    caches: points > 0,
  };
}

function isThinking({ thinking, temperature }: Readonly<Record<string, unknown>>, maxTokens: number): boolean {
  if (thinking === undefined) return false;
  const { type, budget_tokens: budget } = onlyFields(thinking, ['type', 'budget_tokens'], 'thinking');
  if (type !== 'enabled') return false;
  refuse(typeof budget !== 'number' || budget < 1_024 || budget >= maxTokens, 'thinking.budget_tokens does not fit');
  refuse(temperature !== undefined && temperature !== 1, 'temperature does not go with thinking');
  return true;
}

function readMessage(given: unknown, index: number): Message {
  const where = `messages[${index}]`;
  const { role, content } = onlyFields(given, ['role', 'content'], where);
  refuse(role !== 'user' && role !== 'assistant', `${where}.role is unknown`);
  if (typeof content === 'string') return { role, blocks: [{ type: 'text', text: text(content, where) }] };
  const blocks = list(content, `${where}.content`).map((block, at) => readBlock(block, `${where}.content[${at}]`));
  return { role, blocks };
}

const blockFields: Readonly<Record<string, readonly string[]>> = {
  text: ['text'],
  image: ['source'],
  tool_use: ['id', 'name', 'input'],
  tool_result: ['tool_use_id', 'content', 'is_error'],
  thinking: ['thinking', 'signature'],
};

function readBlock(given: unknown, where: string): Block {
  const { type } = fields(given, where);
  const known = blockFields[String(type)];
  refuse(known === undefined, `${where}.type is ${String(type)}`);
  const cacheable = type === 'thinking' ? [] : ['cache_control'];
  const block = onlyFields(given, ['type', ...(known ?? []), ...cacheable], where);
  if (type === 'text') text(block['text'], `${where}.text`);
  if (type === 'tool_use') {
    fields(block['input'], `${where}.input`);
    refuse(!/^[\w-]{1,64}$/.test(String(block['id'])), `${where}.id has other characters`);
  }
  if (type === 'thinking') {
    const thought = text(block['thinking'], `${where}.thinking`);
    refuse(block['signature'] !== signatureOf(thought), `${where}.signature is not ours`);
  }
  return block;
}

/** Each call has its result in the message that follows, and nothing else has one. */
function checkCalls(messages: readonly Message[]): void {
  let open: readonly unknown[] = [];
  for (const [index, { role, blocks }] of messages.entries()) {
    const answered = blocks.filter(({ type }) => type === 'tool_result').map((block) => block['tool_use_id']);
    refuse(
      JSON.stringify([...answered].toSorted()) !== JSON.stringify([...open].toSorted()),
      `messages[${index}] has results for other calls than the message before it`,
    );
    refuse(role === 'assistant' && answered.length > 0, `messages[${index}] has results of the assistant`);
    open = callIdsOf(blocks);
    refuse(new Set(open).size < open.length, `messages[${index}] has an id twice`);
  }
  refuse(open.length > 0, 'the last calls have no results');
}

function callIdsOf(blocks: readonly Block[]): string[] {
  return blocks.filter(({ type }) => type === 'tool_use').map(({ id }) => String(id));
}

function imageOf({ source }: Block): string {
  const { type, media_type: mediaType, data } = onlyFields(source, ['type', 'media_type', 'data'], 'source');
  refuse(type !== 'base64' || mediaType !== 'image/png', 'an image is not a PNG in base64');
  return text(data, 'source.data');
}

function resultOf({ content }: Block): string {
  return typeof content === 'string' ? content : textsOf(list(content, 'content') as readonly Block[]);
}

function toolsOf(tools: unknown): number {
  if (tools === undefined) return 0;
  const known = ['name', 'description', 'input_schema', 'cache_control', 'eager_input_streaming'];
  return list(tools, 'tools').map((tool) => onlyFields(tool, known, 'tools[]')).length;
}

function textsOf(blocks: readonly Block[]): string {
  return blocks.map((block) => (block['type'] === 'text' ? String(block['text']) : '')).join('');
}
