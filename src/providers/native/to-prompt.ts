import type {
  LanguageModelV3FilePart,
  LanguageModelV3Prompt,
  LanguageModelV3TextPart,
  LanguageModelV3ToolResultPart,
} from '@ai-sdk/provider';
import type { ChatMessage, ContentPart, ToolCall } from '../../contract/chat';
import { fieldsOf } from '../../domain/fields-of';
import { imageUrlOf } from '../../domain/turn/messages';
import { parseJson } from '../response-schemas';
import { fieldsInCall, thoughtsIn } from './carried-thoughts';
import type { NativeKind } from './kind';

type Message = LanguageModelV3Prompt[number];
type PromptPart = LanguageModelV3TextPart | LanguageModelV3FilePart;
type AssistantPart = Extract<Message, { role: 'assistant' }>['content'][number];

/** Says that a request cannot be put into the provider's form. Its message contains none of the request's text. */
export class UnsupportedRequest extends Error {
  override readonly name = 'UnsupportedRequest';
}

/**
 * The messages in the form of the AI SDK. System messages come first, wherever they stood: most native APIs take them only
 * there.
 */
export function toPrompt(messages: readonly ChatMessage[], kind: NativeKind): LanguageModelV3Prompt {
  const ids = new CallIds();
  const toolNames = new Map<string, string>();
  const system: Message[] = [];
  const rest: Message[] = [];
  for (const message of messages) {
    switch (message.role) {
      case 'system':
      case 'developer': {
        const content = textOf(message);
        if (!isBlank(content)) system.push({ role: 'system', content, ...cachePoint(message, kind) });
        break;
      }
      case 'user': {
        const content = partsOf(message, kind);
        if (content.length > 0) rest.push({ role: 'user', content });
        break;
      }
      case 'assistant': {
        const content = assistantParts(message, kind, ids, toolNames);
        if (content.length > 0) rest.push({ role: 'assistant', content, ...cachePoint(message, kind) });
        break;
      }
      case 'tool':
        rest.push({ role: 'tool', content: [toolResult(message, ids, toolNames)], ...cachePoint(message, kind) });
    }
  }
  const opensWithAnswer = kind.startsWithUser === true && rest[0]?.role === 'assistant';
  const opening: Message[] = opensWithAnswer ? [{ role: 'user', content: [{ type: 'text', text: '…' }] }] : [];
  return [...system, ...opening, ...rest];
}

function assistantParts(
  message: ChatMessage,
  kind: NativeKind,
  ids: CallIds,
  toolNames: Map<string, string>,
): AssistantPart[] {
  const calls = message.tool_calls ?? [];
  const parts: AssistantPart[] = thoughtsIn(kind.carrier.name, calls).map((thought) => ({
    type: 'reasoning',
    text: thought.text,
    providerOptions: kind.carrier.metadataOf(thought),
  }));
  const text = textOf(message);
  if (!isBlank(text)) parts.push({ type: 'text', text });
  for (const call of calls) {
    const { name, arguments: given } = fieldsOf(call['function']);
    const toolName = typeof name === 'string' ? name : customNameOf(call);
    toolNames.set(call.id, toolName);
    const providerOptions = kind.carrier.metadataOfCall?.(fieldsInCall(kind.carrier.name, call));
    parts.push({
      type: 'tool-call',
      toolCallId: ids.begin(call.id),
      toolName,
      input: inputOf(given),
      ...(providerOptions && { providerOptions }),
    });
  }
  return parts;
}

function customNameOf({ custom }: ToolCall): string {
  const { name } = fieldsOf(custom);
  return typeof name === 'string' ? name : 'unknown';
}

/** An object, as native APIs require. Arguments that are none stay visible to the model, which wrote them. */
function inputOf(given: unknown): unknown {
  const value = typeof given === 'string' ? parseJson(given) : given;
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : { arguments: given ?? '' };
}

function toolResult(message: ChatMessage, ids: CallIds, toolNames: Map<string, string>): LanguageModelV3ToolResultPart {
  const id = message.tool_call_id ?? '';
  const parts = partsOf(message);
  const files = parts.filter((part) => part.type === 'file');
  const output: LanguageModelV3ToolResultPart['output'] =
    files.length === 0
      ? { type: 'text', value: textOf(message) }
      : { type: 'content', value: parts.map((part) => (part.type === 'text' ? part : toolImage(part))) };
  return { type: 'tool-result', toolCallId: ids.of(id), toolName: toolNames.get(id) ?? 'unknown', output };
}

function toolImage({ data, mediaType }: LanguageModelV3FilePart) {
  return data instanceof URL
    ? ({ type: 'image-url', url: data.href } as const)
    : ({ type: 'image-data', data: String(data), mediaType } as const);
}

/** Of a message that has a part marked with `cache_control`. */
function cachePoint({ content }: ChatMessage, kind: NativeKind): Pick<Message, 'providerOptions'> {
  const isMarked = Array.isArray(content) && (content as readonly ContentPart[]).some(isCachePoint);
  return isMarked && kind.cachePoint ? { providerOptions: kind.cachePoint } : {};
}

export function isCachePoint(value: unknown): boolean {
  const { cache_control: control } = fieldsOf(value);
  return typeof control === 'object' && control !== null;
}

/** Texts without words are left out, because native APIs refuse them. */
function partsOf({ content }: ChatMessage, kind?: NativeKind): PromptPart[] {
  if (typeof content === 'string') return isBlank(content) ? [] : [{ type: 'text', text: content }];
  return (content ?? []).flatMap((part): PromptPart[] => {
    const point = isCachePoint(part) && kind?.cachePoint ? { providerOptions: kind.cachePoint } : {};
    if (part.type === 'image_url') return [{ ...imagePart(part), ...point }];
    const text = textIn(part);
    return isBlank(text) ? [] : [{ type: 'text', text, ...point }];
  });
}

function isBlank(text: string): boolean {
  return text.trim() === '';
}

const dataUrl = /^data:([\w.+-]{1,50}\/[\w.+-]{1,50})?(?:;[\w.=+-]{1,60}){0,4};base64,/i;

function imagePart(part: ContentPart): LanguageModelV3FilePart {
  const given = imageUrlOf(part);
  const url = typeof given === 'string' ? given : '';
  const match = dataUrl.exec(url);
  if (match !== null) {
    return { type: 'file', data: url.slice(match[0].length), mediaType: match[1]?.toLowerCase() ?? 'image/*' };
  }
  if (!/^https?:/i.test(url) || !URL.canParse(url)) {
    throw new UnsupportedRequest('an image is neither a web address nor a data: URL with base64');
  }
  return { type: 'file', data: new URL(url), mediaType: 'image/*' };
}

function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? []).map(textIn).join('');
}

function textIn({ text, refusal }: ContentPart): string {
  return [text, refusal].filter((each) => typeof each === 'string').join('');
}

/**
 * The ids of calls with only those characters that every API accepts, each of them once: another provider may have made
 * them, and some begin anew with every answer.
 */
class CallIds {
  private readonly latest = new Map<string, string>();
  private readonly given = new Set<string>();

  /** Of a call. */
  begin(id: string): string {
    const plain = id.replaceAll(/[^\w-]/g, '_').slice(0, 56) || 'call';
    let own = plain;
    for (let count = this.given.size; this.given.has(own); count += 1) own = `${plain}_${count}`;
    this.given.add(own);
    this.latest.set(id, own);
    return own;
  }

  /** Of the latest call with this id, for its result. */
  of(id: string): string {
    return this.latest.get(id) ?? this.begin(id);
  }
}
