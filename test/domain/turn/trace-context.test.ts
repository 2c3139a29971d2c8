import * as fc from 'fast-check';
import { parseTraceContext, traceIdOf, traceProblem } from '../../../src/domain/turn/trace-context';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${spanId}-01`;

test('valid headers are taken as they are', () => {
  const tracestate = 'rojo=00f067aa0ba902b7,congo@vendor=t61rcWkgMzE';
  const parsed = parseTraceContext(traceparent, tracestate);
  expect(parsed).toEqual({ traceparent, tracestate });
  expect(parsed && traceIdOf(parsed)).toBe(traceId);
});

test('flags that nobody knows are not passed on, those of sampling and randomness are', () => {
  expect(parseTraceContext(`00-${traceId}-${spanId}-ff`)?.traceparent).toBe(`00-${traceId}-${spanId}-03`);
  expect(parseTraceContext(`00-${traceId}-${spanId}-00`)?.traceparent).toBe(`00-${traceId}-${spanId}-00`);
});

test('a later version is read as far as this one goes', () => {
  expect(parseTraceContext(`01-${traceId}-${spanId}-01-more`)?.traceparent).toBe(traceparent);
});

test.each([
  ['nothing', undefined],
  ['two headers', [traceparent, traceparent]],
  ['two headers, as Node joins them', `${traceparent}, ${traceparent}`],
  ['an empty text', ''],
  ['capitals', traceparent.toUpperCase()],
  ['a trace id of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
  ['a span id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
  ['the invalid version', `ff-${traceId}-${spanId}-01`],
  ['more than this version has', `${traceparent}-more`],
  ['a later version that runs on', `01-${traceId}-${spanId}-01more`],
  ['a long one', `01-${traceId}-${spanId}-01-${'x'.repeat(10_000)}`],
  ['a line break', `${traceparent}\n`],
  ['spaces', ` ${traceparent}`],
  ['letters beyond hexadecimal', traceparent.replace('4', 'g')],
  ['a statement', "'; drop table turns; --"],
])('%s is no trace context', (_, value) => {
  expect(parseTraceContext(value, 'a=b')).toBeUndefined();
});

test.each([
  ['too long', `a=${'x'.repeat(511)}`],
  ['too many entries', Array.from({ length: 33 }, (_, index) => `k${index}=v`).join(',')],
  ['no key', '=value'],
  ['no value', 'key'],
  ['a line break', 'key=value\nx-evil: 1'],
  ['other alphabets', 'key=значение'],
  ['a list', ['a=b']],
])('a tracestate with %s is left out, and the trace goes on', (_, tracestate) => {
  expect(parseTraceContext(traceparent, tracestate)).toEqual({ traceparent });
});

test('whatever is parsed is valid, and as short as it must be', () => {
  const hex = (length: number) =>
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: length, maxLength: length });
  const like = fc.tuple(hex(2), hex(32), hex(16), hex(2)).map((parts) => parts.join('-'));
  fc.assert(
    fc.property(fc.oneof(fc.string(), like), fc.oneof(fc.string(), fc.constant('a=b')), (one, other) => {
      const parsed = parseTraceContext(one, other);
      if (parsed === undefined) return;
      expect(traceProblem(parsed)).toBeNull();
      expect(parsed.traceparent).toHaveLength(55);
    }),
  );
});

test.each([
  ['null', null, ['trace', 'traceparent']],
  ['a text', traceparent, ['trace', 'traceparent']],
  ['an older form', { traceparent: 'trace-1' }, ['trace', 'traceparent']],
  ['another type', { traceparent: 1 }, ['trace', 'traceparent']],
  ['a long tracestate', { traceparent, tracestate: `a=${'x'.repeat(511)}` }, ['trace', 'tracestate']],
])('a request whose trace is %s is refused with the field', (_, value, path) => {
  expect(traceProblem(value)).toMatchObject({ path, code: 'wrong-value' });
});

test('a request without a trace is fine', () => {
  expect(traceProblem(undefined)).toBeNull();
});
