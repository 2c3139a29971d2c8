import * as fc from 'fast-check';

/** Texts that break what is not careful with them: control and half characters, names of prototypes, injections, length. */
export const oddText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '\u0000',
    '\ud800',
    '\udfff\ud83d',
    '\ufeff',
    '\u202eabc',
    '\u2028',
    'e\u0301',
    '👩‍👩‍👧‍👦',
    '__proto__',
    'constructor',
    'toString',
    '../../etc/passwd',
    '%00',
    "' OR 1=1 --",
    '${7*7}{{7*7}}',
    '\r\nx-injected: 1',
    'data: [DONE]\n\n',
  ),
  fc.integer({ min: 100, max: 20_000 }).map((length) => 'x'.repeat(length)),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
);

const oddNumber: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(0, -0, -1, 0.1, 2 ** 31, 2 ** 53, 1e21, 1e308, -1e308, Number.MIN_VALUE),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);

const leaf: fc.Arbitrary<unknown> = fc.oneof(oddText, oddNumber, fc.boolean(), fc.constant(null));

/** Any JSON value, with fields of all names: `__proto__` is a field of its own here, as it is in JSON. */
export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: leaf },
  { weight: 1, arbitrary: fc.array(leaf, { maxLength: 5 }) },
  {
    weight: 1,
    arbitrary: fc.dictionary(fc.oneof(oddText, fc.constantFrom('type', 'id', 'text')), leaf, { maxKeys: 4 }),
  },
  { weight: 1, arbitrary: fc.constantFrom([], {}, [[]], [{}], { type: 'text' }, { type: 'function', function: {} }) },
  { weight: 1, arbitrary: fc.integer({ min: 2, max: 150 }).map((depth) => nested(depth)) },
);

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}
