import { exceededLimit } from '../../../src/domain/turn/json-shape';

const nested = (depth: number): unknown => JSON.parse('{"a":'.repeat(depth) + '[]' + '}'.repeat(depth));
const anySize = { maxDepth: Infinity, maxValues: Infinity };

test('a value may be as deep as the limit, and no deeper', () => {
  expect(exceededLimit(nested(3), { ...anySize, maxDepth: 3 })).toBeNull();
  expect(exceededLimit(nested(4), { ...anySize, maxDepth: 3 })).toBe('maxDepth');
  expect(exceededLimit([[[0]]], { ...anySize, maxDepth: 3 })).toBeNull();
  expect(exceededLimit([[[[0]]]], { ...anySize, maxDepth: 3 })).toBe('maxDepth');
});

test('a value counts itself, its fields and its entries', () => {
  const value = { a: [1, null, 'x'], b: {} };
  expect(exceededLimit(value, { ...anySize, maxValues: 6 })).toBeNull();
  expect(exceededLimit(value, { ...anySize, maxValues: 5 })).toBe('maxValues');
});

test('what is no object is one value without depth', () => {
  for (const value of [null, 'text', 7, undefined]) {
    expect(exceededLimit(value, { maxDepth: 0, maxValues: 1 })).toBeNull();
  }
});

test('the depth of a value exhausts no stack', () => {
  expect(exceededLimit(nested(100_000), anySize)).toBeNull();
});
