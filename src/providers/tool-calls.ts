import { randomUUID } from 'node:crypto';
import type { ToolCall } from '../contract/chat';
import type { ReceivedToolCall } from './response-schemas';

/**
 * Tool calls in the form that clients know, whatever the provider left out: each with a unique id, a type, and arguments
 * as text. `isCut`: the answer ended within its calls, so missing arguments stay missing.
 */
export function readToolCalls(received: readonly ReceivedToolCall[], isCut: boolean): readonly ToolCall[] {
  const ids = new Set<string>();
  return received.map(({ index: _index, id, type, function: called, ...rest }) => {
    const ownId = id && !ids.has(id) ? id : newId();
    ids.add(ownId);
    const call = { ...rest, id: ownId, type: type || 'function' };
    if (call.type !== 'function' && !called) return call;
    const { name, arguments: given, ...more } = called ?? {};
    const text = argumentsText(given);
    return { ...call, function: { ...more, name: name ?? '', arguments: text === '' && !isCut ? '{}' : text } };
  });
}

/** Whether a function call does not name its function. */
export function isNameless({ type, function: called }: ReceivedToolCall): boolean {
  return !called?.name && (Boolean(called) || !type || type === 'function');
}

/** Whether its arguments end within an object, a list or a string. */
export function isUnfinished({ function: called }: ReceivedToolCall): boolean {
  const end = new JsonEnd();
  end.take(argumentsText(called?.arguments));
  return end.isWithin;
}

/** Unique within a whole conversation, because results refer to it. OpenAI accepts at most 40 characters. */
function newId(): string {
  return `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
}

function argumentsText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

interface CollectedCall {
  readonly index: number | null;
  id: string | null;
  type: string | null;
  name: string;
  arguments: string;
  argumentsEnd: JsonEnd;
  /** Any extra fields of the provider. */
  readonly functionRest: Record<string, unknown>;
  readonly rest: Record<string, unknown>;
}

/** Assembles tool calls from the parts in a stream. */
export class CollectedToolCalls {
  private readonly calls: CollectedCall[] = [];
  private readonly latestByIndex = new Map<number, CollectedCall>();
  private readonly byId = new Map<string, CollectedCall>();

  add({ index = null, id, type, function: called, ...rest }: ReceivedToolCall): void {
    const { name, arguments: given, ...more } = called ?? {};
    const part = { index, id: id || null, name: name ?? '', arguments: argumentsText(given) };
    const call = this.callOf(part);
    // The first id is kept: some providers send a different one with every part.
    call.id ??= part.id;
    call.type = type || call.type;
    call.name = part.name || call.name;
    addArguments(call, part.arguments);
    Object.assign(call.functionRest, more);
    Object.assign(call.rest, rest);
    if (part.id !== null && !this.byId.has(part.id)) this.byId.set(part.id, call);
  }

  received(): readonly ReceivedToolCall[] {
    return this.calls.map(({ id, type, name, arguments: text, functionRest, rest }) => {
      const isOther = type !== null && type !== 'function' && name === '';
      return { ...rest, id, type, ...(!isOther && { function: { ...functionRest, name, arguments: text } }) };
    });
  }

  private callOf(part: Part): CollectedCall {
    const known = part.id === null ? undefined : this.byId.get(part.id);
    const isKnown = known !== undefined && (part.index === null || part.index === known.index);
    const latest = part.index === null ? this.calls.at(-1) : this.latestByIndex.get(part.index);
    const last = isKnown ? known : latest;
    if (last !== undefined && !beginsCall(part, last)) return last;
    const call: CollectedCall = {
      index: part.index,
      id: null,
      type: null,
      name: '',
      arguments: '',
      argumentsEnd: new JsonEnd(),
      functionRest: {},
      rest: {},
    };
    this.calls.push(call);
    if (part.index !== null) this.latestByIndex.set(part.index, call);
    return call;
  }
}

interface Part {
  readonly index: number | null;
  readonly id: string | null;
  readonly name: string;
  readonly arguments: string;
}

/**
 * Whether a part begins a new call instead of continuing the last one with its index. Some providers send index 0, or no
 * id, for every call; others repeat the name, or send a different id, with every part. A part with an id but no name
 * continues the last call.
 */
function beginsCall(part: Part, last: CollectedCall): boolean {
  if (part.name === '') return false;
  const hasOtherId = part.id !== null && last.id !== null && part.id !== last.id;
  if (last.name === '') return hasOtherId;
  if (part.name !== last.name) return true;
  if (hasOtherId) return last.argumentsEnd.isReached || part.arguments === '' || part.index === null;
  const isRepeated = part.id !== null && part.arguments === last.arguments;
  return last.argumentsEnd.isReached && part.arguments !== '' && !isRepeated;
}

function addArguments(call: CollectedCall, text: string): void {
  // Some providers send the whole call again at its end.
  if (call.argumentsEnd.isReached && text === call.arguments) return;
  // Others send `{}` before the real arguments.
  if (call.arguments === '{}' && text.trimStart().startsWith('{')) {
    call.arguments = '';
    call.argumentsEnd = new JsonEnd();
  }
  call.arguments += text;
  call.argumentsEnd.take(text);
}

/** Finds the end of a JSON object or list that comes in parts, looking at each character once. */
class JsonEnd {
  isReached = false;
  private depth = 0;
  private isInString = false;
  private isEscaped = false;

  get isWithin(): boolean {
    return this.depth > 0 || this.isInString;
  }

  take(text: string): void {
    for (const character of text) this.takeOne(character);
  }

  private takeOne(character: string): void {
    if (this.isEscaped) this.isEscaped = false;
    else if (this.isInString) {
      if (character === '\\') this.isEscaped = true;
      else if (character === '"') this.isInString = false;
    } else if (character === '"') this.isInString = true;
    else if (character === '{' || character === '[') {
      this.depth += 1;
      this.isReached = false;
    } else if (character === '}' || character === ']') {
      this.depth -= 1;
      this.isReached = this.depth === 0;
    }
  }
}
