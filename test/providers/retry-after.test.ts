import * as fc from 'fast-check';
import { readRetryAfterMs } from '../../src/providers/retry-after';

const dayMs = 24 * 60 * 60 * 1000;
const nowMs = Date.parse('2026-03-01T12:00:00Z');

test.each([
  ['seconds', { 'retry-after': '7' }, 7_000],
  ['seconds with decimals', { 'retry-after': '0.5' }, 500],
  ['an HTTP date', { 'retry-after': 'Sun, 01 Mar 2026 12:00:30 GMT' }, 30_000],
  ['an obsolete HTTP date', { 'retry-after': 'Sunday, 01-Mar-26 12:00:30 GMT' }, 30_000],
  ['a date that is past', { 'retry-after': 'Sun, 01 Mar 2026 11:59:00 GMT' }, 0],
  ['milliseconds', { 'retry-after-ms': '1250' }, 1_250],
  ['milliseconds before seconds', { 'retry-after-ms': '1250', 'retry-after': '7' }, 1_250],
  ['seconds when the milliseconds are unreadable', { 'retry-after-ms': 'soon', 'retry-after': '7' }, 7_000],
  ['more seconds than a day as a day', { 'retry-after': '1000000000' }, dayMs],
  ['more milliseconds than a number holds as a day', { 'retry-after-ms': '9'.repeat(400) }, dayMs],
  ['a date of another age as a day', { 'retry-after': 'Fri, 31 Dec 9999 23:59:59 GMT' }, dayMs],
  ['the first of several values', { 'retry-after': ['3', '9'] }, 3_000],
])('reads %s', (_form, headers, delayMs) => {
  expect(readRetryAfterMs(headers, nowMs)).toBe(delayMs);
});

test.each([
  ['no header', {}],
  ['words', { 'retry-after': 'in a while' }],
  ['an empty value', { 'retry-after': '' }],
  ['a negative number', { 'retry-after': '-5' }],
  ['a negative number of milliseconds', { 'retry-after-ms': '-5' }],
  ['no number', { 'retry-after': 'NaN', 'retry-after-ms': 'NaN' }],
  ['infinity', { 'retry-after': 'Infinity' }],
  ['a date that is none', { 'retry-after': 'Sun, 99 Foo 2026 12:00:30 GMT' }],
])('understands nothing from %s', (_form, headers) => {
  expect(readRetryAfterMs(headers, nowMs)).toBeNull();
});

const anyHeader = fc.oneof(fc.string(), fc.stringMatching(/^-?\d{1,400}(\.\d{1,20})?$/));

test('gives a whole number of milliseconds within a day or null, whatever a provider sends', () => {
  fc.assert(
    fc.property(anyHeader, anyHeader, (milliseconds, seconds) => {
      const delayMs = readRetryAfterMs({ 'retry-after-ms': milliseconds, 'retry-after': seconds }, nowMs);
      expect(delayMs === null || (Number.isInteger(delayMs) && delayMs >= 0 && delayMs <= dayMs)).toBe(true);
    }),
  );
});
