/** Response headers with lower-case names, as undici provides them. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** `Retry-After: 7`, with decimals as some providers send them. */
const secondsPattern = /^\d+(\.\d+)?$/;
/** All forms of an HTTP date (RFC 9110 §5.6.7) start with the name of a weekday; `Date.parse` alone would take "-5" for a year. */
const httpDatePattern = /^[A-Za-z]{3,9},? /;

/** No turn waits this long, so longer values, even infinite ones, can be clamped to it. */
const longestMs = 24 * 60 * 60 * 1000;

/**
 * How long the provider asks us to wait, in milliseconds, up to a day: from `retry-after-ms`, or else from `Retry-After` in
 * seconds or as an HTTP date (0 if it is in the past). null if neither header has a valid value.
 */
export function readRetryAfterMs(headers: ResponseHeaders, nowMs: number): number | null {
  const askedMs = readAskedMs(headers, nowMs);
  return askedMs === null ? null : Math.min(askedMs, longestMs);
}

function readAskedMs(headers: ResponseHeaders, nowMs: number): number | null {
  const milliseconds = firstValue(headers['retry-after-ms']);
  if (milliseconds !== undefined && secondsPattern.test(milliseconds)) return Math.ceil(Number(milliseconds));

  const value = firstValue(headers['retry-after']);
  if (value === undefined) return null;
  if (secondsPattern.test(value)) return Math.ceil(Number(value) * 1000);
  if (!httpDatePattern.test(value)) return null;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}

/** The header's first value, trimmed. */
export function firstValue(header: string | readonly string[] | undefined): string | undefined {
  return (typeof header === 'string' ? header : header?.[0])?.trim();
}
