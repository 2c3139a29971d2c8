/** The items of a request's input, and the messages that they are for a model. */
import { z } from 'zod';
import type { ContentPart, ToolCall } from '../../contract/chat';
import { limits } from '../../contract/limits';
import type { ProblemPath } from '../../contract/problem';
import { valueInWords } from '../../domain/turn/validate-input';
import type { ChatRequest } from '../chat-request';
import { wrongField } from '../gateway-error';
import { decodeThoughts } from './response-object';

const typeOf = (input: unknown): unknown => (input as { readonly type?: unknown } | null)?.type;

/** Of a discriminated union, all of whose members are objects. */
function wrongType(types: readonly string[], instead = ''): z.core.$ZodErrorMap {
  return ({ code, input }) => {
    if (code !== 'invalid_union') return 'must be an object';
    const type = typeOf(input);
    return type === undefined
      ? 'is missing'
      : `must be one of ${types.join(', ')}, not ${valueInWords(type)}${instead}`;
  };
}

const text = <Type extends string>(type: Type) => z.looseObject({ type: z.literal(type), text: z.string() });
const refusal = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });
const image = z.looseObject({
  type: z.literal('input_image'),
  image_url: z
    .string('must be a string: files that were stored elsewhere cannot be read here')
    .describe('An address that begins with https://, or the picture itself: data:image/png;base64,…'),
  detail: z.string().nullish(),
});

const parts = z.array(
  z.discriminatedUnion('type', [text('input_text'), text('output_text'), text('text'), refusal, image], {
    error: wrongType(['input_text', 'output_text', 'input_image', 'refusal']),
  }),
);

const optionalId = z.string().nullish();

const message = z.looseObject({
  type: z.literal('message'),
  id: optionalId,
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content: z.union([z.string(), parts]),
});
const functionCall = z.looseObject({
  type: z.literal('function_call'),
  id: optionalId,
  call_id: z.string().min(1),
  name: z.string().min(1),
  arguments: z.string(),
});
const callOutput = z.looseObject({
  type: z.literal('function_call_output'),
  id: optionalId,
  call_id: z.string().min(1),
  output: z.union([z.string(), parts]),
});
const thoughtParts = z.array(z.looseObject({ text: z.string() }));
const reasoning = z.looseObject({
  type: z.literal('reasoning'),
  id: optionalId,
  summary: thoughtParts.nullish(),
  content: thoughtParts.nullish(),
  encrypted_content: z.string().nullish(),
});
const reference = z.looseObject({ type: z.literal('item_reference'), id: z.string().min(1) });

const itemTypes = ['message', 'function_call', 'function_call_output', 'reasoning', 'item_reference'] as const;

const item = z.preprocess(
  withType,
  z.discriminatedUnion('type', [message, functionCall, callOutput, reasoning, reference], {
    error: wrongType(itemTypes, ': only functions of yours are called here'),
  }),
);

export const itemsSchema = z.array(item).min(1).max(limits.maxMessages);

export type InputItem = z.output<typeof item>;
type Parts = z.output<typeof parts>;

/** OpenAI lets clients leave out the type where there is a role, or nothing but an id. */
function withType(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || typeOf(value) !== undefined) return value;
  if (Object.hasOwn(value, 'role')) return { ...value, type: 'message' };
  return Object.keys(value).join() === 'id' ? { ...value, type: 'item_reference' } : value;
}

type Message = ChatRequest['messages'][number];

/** Messages, each with the place of what it was made from. */
export interface ReadInput {
  readonly messages: readonly Message[];
  readonly paths: readonly ProblemPath[];
}

/** An assistant's message as its items come: its words, its thoughts and its calls. */
interface AssistantTurn {
  path: ProblemPath;
  content: string | Parts | null;
  thoughts: string[];
  calls: ToolCall[];
}

/**
 * Items become messages: what a model says, thinks and calls in a row is one message. @param known the calls that were made
 * before; null if a session knows them @throws {GatewayError} for the result of a call that nobody made
 */
export function readItems(input: string | readonly InputItem[], known: ReadonlySet<string> | null): ReadInput {
  if (typeof input === 'string') return { messages: [{ role: 'user', content: input }], paths: [['input']] };
  const messages: Message[] = [];
  const paths: ProblemPath[] = [];
  const called = new Set<string>(known ?? []);
  let assistant: AssistantTurn | null = null;
  const add = (added: Message, path: ProblemPath): void => {
    messages.push(added);
    paths.push(path);
  };
  const endAssistant = (): void => {
    const ended = assistant === null ? null : assistantMessage(assistant);
    if (ended !== null) add(ended, assistant!.path);
    assistant = null;
  };
  for (const [index, each] of input.entries()) {
    const path: ProblemPath = ['input', index];
    switch (each.type) {
      case 'message': {
        if (each.role === 'assistant') {
          if (assistant !== null && assistant.content !== null) endAssistant();
          assistant ??= newAssistant(path);
          assistant.content = each.content;
          break;
        }
        endAssistant();
        add(promptMessage(each.role, each.content, path), path);
        break;
      }
      case 'reasoning':
        assistant ??= newAssistant(path);
        assistant.thoughts.push(...thoughtsOf(each));
        break;
      case 'function_call':
        assistant ??= newAssistant(path);
        assistant.calls.push(callOf(each));
        called.add(each.call_id);
        break;
      case 'function_call_output':
        if (known !== null && !called.has(each.call_id)) throw orphanedResult(path);
        endAssistant();
        add(
          { role: 'tool', tool_call_id: each.call_id, content: chatContent(each.output, path, 'output') as string },
          path,
        );
        break;
      case 'item_reference':
        throw new Error('References are resolved before items are read.');
    }
  }
  endAssistant();
  return { messages, paths };
}

function newAssistant(path: ProblemPath): AssistantTurn {
  return { path, content: null, thoughts: [], calls: [] };
}

/** null: thoughts alone, which no model wants back. */
function assistantMessage({ path, content, thoughts, calls }: AssistantTurn): Message | null {
  if (content === null && calls.length === 0) return null;
  return {
    role: 'assistant',
    content: content === null ? null : (chatContent(content, path, 'content') as string),
    ...(thoughts.length > 0 && { reasoning_content: thoughts.join('\n\n') }),
    ...(calls.length > 0 && { tool_calls: calls as Extract<Message, { role: 'assistant' }>['tool_calls'] }),
  };
}

function promptMessage(role: 'user' | 'system' | 'developer', content: string | Parts, path: ProblemPath): Message {
  return { role, content: chatContent(content, path, 'content') as string };
}

function callOf({ call_id, name, arguments: given }: z.output<typeof functionCall>): ToolCall {
  return { id: call_id, type: 'function', function: { name, arguments: given } };
}

function thoughtsOf({ summary, content, encrypted_content }: z.output<typeof reasoning>): readonly string[] {
  const told = [...(summary ?? []), ...(content ?? [])].map((part) => part.text).filter((each) => each !== '');
  if (told.length > 0) return told;
  const decoded = decodeThoughts(encrypted_content ?? '');
  return decoded === null ? [] : [decoded];
}

function orphanedResult(path: ProblemPath) {
  return wrongField({
    path: [...path, 'call_id'],
    code: 'unknown-reference',
    message:
      'names a call that no item before it makes: send the function_call, or the id of its response as previous_response_id',
  });
}

/** One text stays a string, which every provider takes. */
function chatContent(content: string | Parts, path: ProblemPath, field: string): string | ContentPart[] {
  if (typeof content === 'string') return content;
  const isText = content.every((part) => part.type !== 'input_image' && part.type !== 'refusal');
  if (isText && content.length === 1) return (content[0] as { readonly text: string }).text;
  if (content.length === 0) {
    throw wrongField({ path: [...path, field], code: 'too-few', message: 'must not be an empty list', limit: 1 });
  }
  return content.map(chatPart);
}

function chatPart(part: Parts[number]): ContentPart {
  switch (part.type) {
    case 'input_image': {
      const { image_url: url, detail } = part;
      return { type: 'image_url', image_url: { url, ...(typeof detail === 'string' && { detail }) } };
    }
    case 'refusal':
      return { type: 'refusal', refusal: part.refusal };
    case 'input_text':
    case 'output_text':
    case 'text':
      break;
  }
  return { type: 'text', text: part.text };
}
