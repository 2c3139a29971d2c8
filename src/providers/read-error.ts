/**
 * Reads the errors of providers in all their formats: those of OpenAI, Azure, Anthropic, Google, vLLM, FastAPI and
 * proxies.
 */

export interface ProviderError {
  /** Codes, types and statuses, the most specific first, in lower case: `context_length_exceeded`, `400`. */
  readonly codes: readonly string[];
  /** The first code, as the provider wrote it. */
  readonly code: string;
  /** What happened, in the provider's own words, truncated. */
  readonly words: string;
}

/** The rest of a longer text says nothing new, and every pattern and comparison costs time for each character. */
const maxWordsLength = 4_096;

/** Codes are identifiers or numbers; anything longer is a sentence in the wrong place. */
const codePattern = /^[\w.:/-]{1,60}$/;

type Fields = Readonly<Record<string, unknown>>;

/** Reads the body of a response with an error status; null if it says nothing. */
export function readError(body: unknown): ProviderError | null {
  const fields = outerFieldsOf(body);
  if (fields === null) return typeof body === 'string' ? errorOf([], [body]) : null;
  const { error, errors, detail } = fields;
  const inner = fieldsOf(error) ?? fieldsOf(firstOf(errors)) ?? fieldsOf(detail) ?? {};
  const inmost = fieldsOf(inner['innererror']) ?? {};
  const codes = [inner['code'], inmost['code'], inner['type'], inner['status']];
  const outerCodes = [fields['code'], fields['error_code'], fields['type'], fields['__type'], fields['status']];
  const words = [inner['message'], error, detail, saidOf(detail), fields['message'], fields['Message'], fields['msg']];
  return errorOf([...codes, ...outerCodes], words);
}

/** Reads a body that is explicitly an error, whatever its status; null if it is not. */
export function readStatedError(body: unknown): ProviderError | null {
  return statesError(body) ? readError(body) : null;
}

/** Whether a body, or an event of a stream, is an error instead of an answer. */
export function statesError(body: unknown): boolean {
  const fields = outerFieldsOf(body);
  if (fields === null || Array.isArray(fields['choices'])) return fields !== null && isStated(fields['error']);
  const { error, object, type, code, message } = fields;
  // Also Qwen's errors in a stream, which are only a code and a message, and those of AWS.
  const isBare = (isCode(code) || isCode(fields['__type'])) && typeof message === 'string';
  return isStated(error) || object === 'error' || type === 'error' || isBare;
}

function isStated(error: unknown): boolean {
  return (typeof error === 'string' && error !== '') || fieldsOf(error) !== null;
}

function errorOf(codes: readonly unknown[], words: readonly unknown[]): ProviderError {
  const named = codes.filter(isCode).map(String);
  const said = words.find((text): text is string => typeof text === 'string' && text !== '') ?? '';
  return {
    codes: named.map((code) => code.toLowerCase()),
    code: named[0] ?? '',
    words: said.slice(0, maxWordsLength),
  };
}

function isCode(value: unknown): value is string | number {
  return (typeof value === 'string' || typeof value === 'number') && codePattern.test(String(value));
}

/** FastAPI lists what is wrong: `[{ loc: ['body', 'temperature'], msg: 'Input should be …' }]`. */
function saidOf(detail: unknown): string | undefined {
  const first = fieldsOf(firstOf(detail));
  if (first === null || typeof first['msg'] !== 'string') return undefined;
  const place = Array.isArray(first['loc']) ? first['loc'].slice(0, 8).filter(isCode).join('.') : '';
  return place === '' ? first['msg'] : `${place}: ${first['msg']}`;
}

/** Gemini wraps its errors in a list. */
function outerFieldsOf(body: unknown): Fields | null {
  return fieldsOf(Array.isArray(body) ? firstOf(body) : body);
}

function firstOf(list: unknown): unknown {
  return Array.isArray(list) ? (list[0] as unknown) : undefined;
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}
