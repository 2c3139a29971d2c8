import type { ReportedUsage } from '../contract/provider';
import { fieldsOf } from '../domain/fields-of';

type Fields = Readonly<Record<string, unknown>>;

/**
 * The usage in a response or in one event of a stream: beside the choices, in the first choice (Moonshot), in `x_groq`
 * (Groq). Undefined if there is none.
 */
export function usageIn(body: unknown): unknown {
  const { usage, choices, x_groq } = fieldsOf(body);
  const [choice] = Array.isArray(choices) ? (choices as readonly unknown[]) : [];
  const places = [usage, fieldsOf(choice)['usage'], fieldsOf(x_groq)['usage']];
  return places.find(countsTokens) ?? usage ?? undefined;
}

/** Whether a usage contains a count other than zero. One that does not must not replace one that does. */
export function countsTokens(usage: unknown): boolean {
  const { prompt, completion, total } = countsOf(fieldsOf(usage));
  return [prompt, completion, total].some((count) => typeof count === 'number' && count !== 0);
}

/**
 * Merges a later usage into what is known: some providers report the prompt first and the answer last, with zeros for the
 * rest.
 */
export function laterUsage(known: unknown, later: unknown): unknown {
  if (later === undefined || later === null) return known;
  if (!countsTokens(later)) return countsTokens(known) ? known : later;
  return countsTokens(known) ? { ...fieldsOf(known), ...saidIn(later, fieldsOf(known)) } : later;
}

/** The fields of a later usage that say more than is known. */
function saidIn(later: unknown, known: Fields): Fields {
  const isSaid = ([name, value]: [string, unknown]): boolean => Boolean(value) || (known[name] ?? null) === null;
  return Object.fromEntries(Object.entries(fieldsOf(later)).filter(isSaid));
}

/**
 * Reads a usage. Prompt and completion are passed on as reported, and validated when they are booked. Everything else can
 * only lower the price (cached tokens) or explain it, and is corrected or left out here.
 */
export function readUsage(usage: unknown): ReportedUsage | null {
  if (usage === null || usage === undefined) return null;
  const fields = fieldsOf(usage);
  const { prompt, completion, total } = countsOf(fields);
  const reasoning = reasoningTokens(fields);
  const cached = Math.min(cachedTokens(fields), countOrNull(prompt) ?? 0);
  const written = Math.min(cacheWriteTokens(fields), (countOrNull(prompt) ?? 0) - cached);
  return {
    promptTokens: prompt,
    cachedPromptTokens: cached,
    ...(written > 0 && { cacheWriteTokens: written }),
    completionTokens: completion,
    ...(countOrNull(total) !== null && { totalTokens: total }),
    ...(reasoning !== null && { reasoningTokens: reasoning }),
  };
}

/** OpenAI's names, and those of newer APIs. */
function countsOf(fields: Fields): { readonly prompt: unknown; readonly completion: unknown; readonly total: unknown } {
  return {
    prompt: fields['prompt_tokens'] ?? fields['input_tokens'],
    completion: fields['completion_tokens'] ?? fields['output_tokens'],
    total: fields['total_tokens'],
  };
}

/** As OpenAI, DeepSeek, Moonshot and newer APIs name them. */
function cachedTokens(fields: Fields): number {
  const places = [
    fieldsOf(fields['prompt_tokens_details'])['cached_tokens'],
    fieldsOf(fields['input_tokens_details'])['cached_tokens'],
    fields['prompt_cache_hit_tokens'],
    fields['cached_tokens'],
  ];
  return Math.max(0, ...places.map((place) => countOrNull(place) ?? 0));
}

/** As OpenRouter names them, which includes them in the prompt. */
function cacheWriteTokens(fields: Fields): number {
  return countOrNull(fieldsOf(fields['prompt_tokens_details'])['cache_write_tokens']) ?? 0;
}

/** In the details, as OpenAI has them, or beside the counts, as Perplexity has them. */
function reasoningTokens(fields: Fields): number | null {
  const places = [
    fieldsOf(fields['completion_tokens_details'])['reasoning_tokens'],
    fieldsOf(fields['output_tokens_details'])['reasoning_tokens'],
    fields['reasoning_tokens'],
  ];
  return places.map(countOrNull).find((count) => count !== null) ?? null;
}

function countOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
