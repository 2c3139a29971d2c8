import { ThoughtsToCarry } from '../../../src/providers/native/carried-thoughts';

test('thoughts are kept while they may be carried, and nothing of larger ones', () => {
  const thoughts = new ThoughtsToCarry();
  thoughts.add('0', 'Which ');
  thoughts.add('0', 'order?', { signature: 'c2ln' });
  thoughts.add('1', 'Without proof.');
  expect(thoughts.carried()).toEqual([{ text: 'Which order?', signature: 'c2ln' }]);
  for (let piece = 0; piece < 10; piece += 1) thoughts.add('2', 'x'.repeat(10_000), { signature: 'c2ln' });
  expect(thoughts.size).toBe(0);
  thoughts.add('3', 'Later.', { signature: 'c2ln' });
  expect(thoughts.carried()).toEqual([]);
});

test('more thoughts than an answer has are not kept', () => {
  const thoughts = new ThoughtsToCarry();
  for (let id = 0; id < 1_000; id += 1) thoughts.add(String(id), '', { signature: 'c2ln' });
  expect(thoughts.size).toBe(0);
});
