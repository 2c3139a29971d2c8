import type { ChatMessage, RequestOptions, ToolCall } from '../../contract/chat';
import type { AnswerFlag } from '../../contract/user-evidence';
import { fieldsOf } from '../fields-of';
import { isCutByLength } from './finish-reasons';
import { withoutThoughts } from './fingerprints';
import { breaksSchema } from './json-schema';
import { opensWithRefusal } from './refusals';
import { isInWrongLanguage } from './wrong-language';

export interface Asked {
  readonly messages: readonly ChatMessage[];
  readonly modelOptions?: RequestOptions['modelOptions'];
  /** The caller's limit of completion tokens is below the default. */
  readonly isShortAsked: boolean;
}

export interface Given {
  readonly content: string;
  readonly refusal?: string;
  readonly toolCalls?: readonly ToolCall[];
  readonly finishReason?: string | null;
}

/** The length of a text once it is compressed, as a share of its UTF-8 bytes. */
export type CompressedShare = (text: string) => number;

/**
 * What is wrong with an answer, as labels in the order of `answerFlags`; empty if nothing is. `asked-again` is not among
 * them: only the next turn shows it. The figures that these rules reach are in docs/flags.md.
 */
export function flagsOf(asked: Asked, given: Given, compressedShare: CompressedShare): readonly AnswerFlag[] {
  const { content, refusal = '', toolCalls = [], finishReason = null } = given;
  const text = withoutThoughts(content).trim();
  const isCut = isCutByLength(finishReason);
  const isText = text !== '' && toolCalls.length === 0;
  const isJson = asksForJson(asked.modelOptions);
  const flags: readonly (readonly [AnswerFlag, boolean])[] = [
    ['empty', text === '' && refusal === '' && toolCalls.length === 0],
    ['truncated', isCut && !asked.isShortAsked],
    ['refused', refusal !== '' || (isText && !isJson && opensWithRefusal(text))],
    ['wrong-language', isText && !isJson && isInWrongLanguage(asked.messages, text)],
    // What was cut off is incomplete for a reason that has a flag of its own, or that the caller asked for.
    ['invalid-json', isJson && isText && !isCut && isInvalidJson(text, asked.modelOptions)],
    ['invalid-tool-call', !isCut && hasInvalidCall(toolCalls, asked.modelOptions)],
    ['repetitive', isText && isRepetitive(text, compressedShare)],
  ];
  return flags.filter(([, isRaised]) => isRaised).map(([flag]) => flag);
}

type ModelOptions = RequestOptions['modelOptions'];

function asksForJson(options: ModelOptions): boolean {
  const { type } = fieldsOf(options?.['response_format']);
  return type === 'json_object' || type === 'json_schema';
}

function isInvalidJson(text: string, options: ModelOptions): boolean {
  const value = parsed(text);
  if (value === undefined) return true;
  const { type } = fieldsOf(options?.['response_format']);
  if (type === 'json_object') return typeof value !== 'object' || value === null;
  return breaksSchema(value, schemaAsked(options));
}

/** undefined: none, or none that can be read. */
function schemaAsked(options: ModelOptions): unknown {
  return fieldsOf(fieldsOf(options?.['response_format'])['json_schema'])['schema'];
}

/** A tool that was not offered, or arguments that are no JSON object. Tools of other types are the provider's own. */
function hasInvalidCall(calls: readonly ToolCall[], options: ModelOptions): boolean {
  const tools = options?.['tools'];
  const offered = new Set((Array.isArray(tools) ? tools : []).map(toolName));
  return calls.some(({ type, ...call }) => {
    if (type !== 'function' && type !== 'custom') return false;
    const { name, arguments: given } = fieldsOf(call[type]);
    return !offered.has(name) || (type === 'function' && !isJsonObject(given));
  });
}

function toolName(tool: unknown): unknown {
  const { type = 'function', ...rest } = fieldsOf(tool);
  return typeof type === 'string' ? fieldsOf(rest[type])['name'] : undefined;
}

function isJsonObject(text: unknown): boolean {
  const value = typeof text === 'string' ? parsed(text) : undefined;
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** undefined if the text is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A model that repeats itself goes on to its limit: shorter lists of like items may be an answer. */
const minRepetitiveLength = 1_500;
/** The end shows it best, and bounds what compressing takes. */
const comparedLength = 16_000;
/** Tables and lists of like rows stay above 0.08. */
const maxRepetitiveShare = 0.05;

function isRepetitive(text: string, compressedShare: CompressedShare): boolean {
  return text.length >= minRepetitiveLength && compressedShare(text.slice(-comparedLength)) < maxRepetitiveShare;
}
