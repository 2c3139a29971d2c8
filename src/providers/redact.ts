import type { ContentPart } from '../contract/chat';
import type { CompletionRequest } from '../contract/provider';
import { imageUrlOf } from '../domain/turn/messages';

/**
 * Quotations from a prompt that are at least this long are removed from a provider's message: short enough to catch a
 * quoted phrase (4 Chinese characters), long enough to leave ordinary words alone.
 */
const shortestRunBytes = 12;

/** What must not appear in a message. */
export interface Confidential {
  readonly apiKeys: readonly string[];
  /** Texts that were sent to the provider. */
  readonly texts: readonly string[];
}

/** A whole text shorter than that is removed, too, unless it is so short that it occurs inside other words. */
const shortestTextLength = 4;

/**
 * Prepares a provider's message for a failure message: removes keys and quotations from the texts, even if they are
 * escaped as in JSON, collapses whitespace and truncates to `maxCharacters`.
 */
export function redact(message: string, confidential: Confidential, maxCharacters: number): string {
  if (message === '') return '';
  let clean = message.slice(0, maxMessageLength);
  for (const key of confidential.apiKeys) {
    if (key !== '') clean = clean.replaceAll(key, '[key]');
  }
  const texts = confidential.texts.map(plain);
  let quoted = plain(clean).replaceAll(inlineDataPattern, `data:${hidden}`).trim();
  for (const text of new Set(texts.map((each) => each.trim()))) {
    const isShort = text.length >= shortestTextLength && Buffer.byteLength(text) < shortestRunBytes;
    if (isShort) quoted = quoted.replaceAll(text, hidden);
  }
  // Truncated before the search for quotations, whose cost grows with every character.
  const characters = Array.from(quoted.slice(0, maxCharacters * 2).replace(/[\ud800-\udbff]$/, ''));
  const visible = withoutQuotations(characters, texts);
  const shown = Array.from(visible);
  return shown.length > maxCharacters ? `${shown.slice(0, maxCharacters - 1).join('')}…` : visible;
}

/** Longer than any message that is shown. */
const maxMessageLength = 8_192;

const hidden = '[…]';

/** A whole inline image: the texts contain only the beginning of its data. */
const inlineDataPattern = /data:[\w.+/-]{0,100}(?:;[\w.=+-]{1,60}){0,4};base64,[\w+/=-]*/gi;

/**
 * Replaces escapes by what they stand for, and puts the text on one line: control characters and lone surrogates, which
 * some databases reject, become spaces.
 */
function plain(text: string): string {
  const unescaped = text.includes('\\') ? text.replaceAll(escapePattern, unescape) : text;
  // Single spaces are left alone: replacing all of them in a megabyte of text takes a third of a second.
  return unescaped.replaceAll(/[\s\p{Cc}\p{Cs}]{2,}|(?! )[\s\p{Cc}\p{Cs}]/gu, ' ');
}

const escapePattern = /\\(?:u([0-9a-fA-F]{4})|(.))/g;

function unescape(_escape: string, codeUnit: string | undefined, character: string): string {
  if (codeUnit !== undefined) return String.fromCharCode(Number.parseInt(codeUnit, 16));
  return 'nrt'.includes(character) ? ' ' : character;
}

/** An error that quotes an image quotes its beginning; scanning the rest would take as long as scanning all other texts. */
const maxInlineDataLength = 4_096;

/** Also the address of an image stored elsewhere: anyone with a signed URL can get the image. */
function pictureAddress(part: ContentPart): string | undefined {
  const url = imageUrlOf(part);
  if (typeof url !== 'string') return undefined;
  return /^data:/i.test(url) ? url.slice(0, maxInlineDataLength) : url;
}

/**
 * Everything confidential in a request: its messages and the texts in its options, but not the names there. The name in a
 * tool's message is that of a function.
 */
export function textsOf({
  messages,
  options = {},
}: Pick<CompletionRequest, 'messages' | 'options'>): readonly string[] {
  const texts: string[] = [];
  for (const { role, content, name, reasoning_content: thoughts, tool_calls: calls } of messages) {
    if (typeof content === 'string') texts.push(content);
    else for (const part of content ?? []) collectTexts(part['text'] ?? part['refusal'] ?? pictureAddress(part), texts);
    for (const call of calls ?? []) collectTexts(call, texts);
    collectTexts(thoughts, texts);
    if (role !== 'tool') collectTexts(name, texts);
  }
  collectTexts(options, texts);
  return texts;
}

/** An error has to mention names, types and references, and they are not texts. */
const namingFields: ReadonlySet<string> = new Set(['id', 'name', 'type', 'role', 'format', '$ref']);

/** The depth is limited when the request is validated. */
function collectTexts(value: unknown, texts: string[]): void {
  if (typeof value === 'string') texts.push(value);
  else if (Array.isArray(value)) for (const entry of value) collectTexts(entry, texts);
  else if (typeof value === 'object' && value !== null) {
    for (const [field, entry] of Object.entries(value)) if (!namingFields.has(field)) collectTexts(entry, texts);
  }
}

function withoutQuotations(characters: readonly string[], texts: readonly string[]): string {
  const runs = characters.map((_, start) => shortestRunFrom(characters, start));
  const found = runsIn(texts, new Set(runs.flatMap((run) => (run ? [run.text] : []))));
  const isHidden = characters.map(() => false);
  for (const [start, run] of runs.entries()) {
    if (run && found.has(run.text)) isHidden.fill(true, start, start + run.length);
  }
  let visible = '';
  characters.forEach((character, index) => {
    if (!isHidden[index]) visible += character;
    else if (index === 0 || !isHidden[index - 1]) visible += hidden;
  });
  return visible;
}

/** No run has fewer code units: each takes at most three bytes, and a run has at least twelve. */
const indexedLength = 4;
const indexSize = 65_536;

/**
 * Which of the runs occur in the texts. Each text is scanned once, however many runs there are: searching for each of
 * them would block the process for a second when a provider refuses a request of a megabyte.
 */
function runsIn(texts: readonly string[], runs: ReadonlySet<string>): ReadonlySet<string> {
  const byBeginning = new Map<number, string[]>();
  const isBeginning = new Uint8Array(indexSize);
  for (const run of runs) {
    const key = indexOfBeginning(run, 0);
    isBeginning[key] = 1;
    byBeginning.set(key, [...(byBeginning.get(key) ?? []), run]);
  }
  const found = new Set<string>();
  for (const text of texts) {
    for (let at = 0; at + indexedLength <= text.length; at += 1) {
      const key = indexOfBeginning(text, at);
      if (isBeginning[key] !== 1) continue;
      const sought = byBeginning.get(key) ?? [];
      const here = sought.findIndex((run) => text.startsWith(run, at));
      if (here === -1) continue;
      // No run is the beginning of another, so at most one matches.
      for (const run of sought.splice(here, 1)) found.add(run);
      if (sought.length === 0) isBeginning[key] = 0;
    }
  }
  return found;
}

function indexOfBeginning(text: string, at: number): number {
  const early = text.charCodeAt(at) ^ (text.charCodeAt(at + 1) << 4);
  const late = (text.charCodeAt(at + 2) << 8) ^ (text.charCodeAt(at + 3) << 11);
  return (early ^ late) & (indexSize - 1);
}

function shortestRunFrom(
  characters: readonly string[],
  start: number,
): { readonly text: string; readonly length: number } | undefined {
  let text = '';
  let bytes = 0;
  for (let index = start; index < characters.length; index += 1) {
    const character = characters[index] ?? '';
    text += character;
    bytes += Buffer.byteLength(character);
    if (bytes >= shortestRunBytes) return { text, length: index - start + 1 };
  }
  return undefined;
}
