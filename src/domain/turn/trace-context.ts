/** W3C Trace Context, level 1: https://www.w3.org/TR/trace-context/ */
import type { Problem } from '../../contract/problem';
import type { TraceContext } from '../../contract/trace';

const maxTracestateLength = 512;
const maxTracestateMembers = 32;
/** Of a version that does not exist yet and may carry more; a longer header is not worth reading. */
const maxTraceparentLength = 256;

const currentVersion = /^00-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;
/** Any version but the invalid `ff`. */
const anyVersion = /^(?!ff)[\da-f]{2}-([\da-f]{32}-[\da-f]{16})-([\da-f]{2})(-|$)/;
/** The sampled and the random flag. Flags that nobody knows yet must not be passed on. */
const knownFlags = 0b11;

/**
 * What a caller's headers say; undefined if they are absent or invalid, as the specification demands: a broken header
 * must not fail a request.
 */
export function parseTraceContext(traceparent: unknown, tracestate?: unknown): TraceContext | undefined {
  if (typeof traceparent !== 'string' || traceparent.length > maxTraceparentLength) return undefined;
  const [, ids, flags = '', more] = anyVersion.exec(traceparent) ?? [];
  if (traceparent.startsWith('00') && more !== '') return undefined;
  const normalized = `00-${ids}-0${Number.parseInt(flags, 16) & knownFlags}`;
  if (!currentVersion.test(normalized)) return undefined;
  return { traceparent: normalized, ...(isTracestate(tracestate) && { tracestate }) };
}

/** What is wrong with the trace context of a request, or null. */
export function traceProblem(value: unknown): Problem | null {
  if (value === undefined) return null;
  const { traceparent, tracestate } = (value ?? {}) as Partial<TraceContext>;
  if (typeof traceparent !== 'string' || !currentVersion.test(traceparent)) {
    const message = 'must be 00-{32 hexadecimal digits}-{16}-{2}, in lower case, with neither id all zeros';
    return { path: ['trace', 'traceparent'], code: 'wrong-value', message };
  }
  if (tracestate === undefined || isTracestate(tracestate)) return null;
  const message = `must be a list of key=value, of at most ${maxTracestateMembers} entries and ${maxTracestateLength} characters`;
  return { path: ['trace', 'tracestate'], code: 'wrong-value', message, limit: maxTracestateLength };
}

export function traceIdOf({ traceparent }: TraceContext): string {
  return traceparent.slice(3, 35);
}

function isTracestate(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > maxTracestateLength) return false;
  const members = value.split(',');
  return (
    members.length <= maxTracestateMembers && members.every((member) => /^\s*[\da-z][^\s=]*=[!-~]+\s*$/.test(member))
  );
}
