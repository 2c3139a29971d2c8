import * as fc from 'fast-check';
import { z } from 'zod';
import { breaksSchema } from '../../../src/domain/turn/json-schema';

const order = {
  type: 'object',
  properties: {
    id: { type: 'string', minLength: 2, maxLength: 4 },
    state: { enum: ['open', 'sent'] },
    amount: { type: ['integer', 'null'], minimum: 1, maximum: 9 },
    lines: { type: 'array', items: { $ref: '#/$defs/line' }, minItems: 1, maxItems: 2 },
    version: { const: 1 },
  },
  required: ['id'],
  additionalProperties: false,
  $defs: { line: { anyOf: [{ type: 'string' }, { type: 'object', required: ['name'] }] } },
};

test.each<[string, unknown]>([
  ['all fields', { id: 'ab', state: 'open', amount: 3, lines: ['x', { name: 'y' }], version: 1 }],
  ['what is required', { id: 'ab' }],
  ['null where it may stand', { id: 'ab', amount: null }],
  ['four characters of two code units', { id: '😀😀😀😀' }],
])('an order with %s fits', (_title, value) => expect(breaksSchema(value, order)).toBe(false));

test.each<[string, unknown]>([
  ['no id', {}],
  ['a short id', { id: 'a' }],
  ['a long id', { id: 'abcdefghi' }],
  ['an unknown state', { id: 'ab', state: 'lost' }],
  ['a broken amount', { id: 'ab', amount: 1.5 }],
  ['an amount that is too large', { id: 'ab', amount: 10 }],
  ['a text for an amount', { id: 'ab', amount: '3' }],
  ['no lines', { id: 'ab', lines: [] }],
  ['too many lines', { id: 'ab', lines: ['a', 'b', 'c'] }],
  ['a line without a name', { id: 'ab', lines: [{ nam: 'y' }] }],
  ['another version', { id: 'ab', version: 2 }],
  ['a field that is not described', { id: 'ab', note: 'x' }],
  ['a list instead', [{ id: 'ab' }]],
])('an order with %s breaks its schema', (_title, value) => expect(breaksSchema(value, order)).toBe(true));

test.each<[string, unknown]>([
  ['no schema', undefined],
  ['a text', 'object'],
  ['keywords of the wrong type', { type: 7, required: 'id', properties: [], enum: 'a', anyOf: {}, $ref: 1 }],
  ['a reference to nothing', { $ref: '#/$defs/lost' }],
  ['a reference to elsewhere', { $ref: 'https://example.com/schema.json' }],
  ['a reference to itself', { $ref: '#' }],
  ['a pattern, which is not looked at', { properties: { id: { type: 'string', pattern: '^(a+)+$' } } }],
])('%s accepts everything', (_title, schema) => expect(breaksSchema({ id: 'ab' }, schema)).toBe(false));

test('a schema that asks for 2^n steps is given up, and accepts', () => {
  const $defs = Object.fromEntries(
    Array.from({ length: 60 }, (_, index) => {
      const next = { $ref: `#/$defs/d${index + 1}` };
      return [`d${index}`, index === 59 ? { type: 'string' } : { anyOf: [next, next] }];
    }),
  );
  expect(breaksSchema(1, { $ref: '#/$defs/d0', $defs })).toBe(false);
  const tree = { anyOf: [{ properties: { x: { $ref: '#' } } }, { properties: { x: { $ref: '#' } } }], required: ['y'] };
  let deep: object = {};
  for (let depth = 0; depth < 200; depth += 1) deep = { x: deep };
  expect(breaksSchema(deep, { anyOf: tree.anyOf })).toBe(false);
});

test('many wide values are not looked at again and again', () => {
  const wide = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`k${index}`, index]));
  const options = Array.from({ length: 5_000 }, () => ({ additionalProperties: { type: 'string' } }));
  expect(breaksSchema(wide, { anyOf: options })).toBe(false);
});

/** Schemas of the keywords that are looked at, and values that fit them about as often as not. */
const leaf = fc.constantFrom<object>(
  { type: 'string' },
  { type: 'integer' },
  { type: 'number', minimum: 0 },
  { type: 'boolean' },
  { type: 'null' },
  { enum: ['a', 'b'] },
  { const: 'a' },
  { type: 'string', maxLength: 1 },
);
const { schema } = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.record({ type: fc.constant('array'), items: tie('schema') }),
    fc.record({ anyOf: fc.array(tie('schema'), { minLength: 1, maxLength: 3 }) }),
    fc
      .record({
        a: tie('schema'),
        b: tie('schema'),
        required: fc.subarray(['a', 'b']),
        additionalProperties: fc.boolean(),
      })
      .map(({ a, b, ...rest }) => ({ type: 'object', properties: { a, b }, ...rest })),
  ),
}));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<unknown>('a', 'b', 'abc', 1, 1.5, -1, true, null),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('value'), { maxKeys: 3 }),
  ),
}));

test('a schema library comes to the same result', () => {
  let broken = 0;
  fc.assert(
    fc.property(schema, value, (asked, given) => {
      const fits = z.fromJSONSchema(asked as Parameters<typeof z.fromJSONSchema>[0]).safeParse(given).success;
      if (!fits) broken += 1;
      expect(breaksSchema(given, asked)).toBe(!fits);
    }),
    { numRuns: 2_000 },
  );
  expect(broken).toBeGreaterThan(200);
});
