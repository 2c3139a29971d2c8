import { RecentSet } from '../../src/client/recent-set';

test('a recent set forgets what was added longest ago, and what is deleted', () => {
  const recent = new RecentSet<string>(2);
  recent.add('a');
  recent.add('b');
  recent.add('a');
  recent.add('c');
  expect(['a', 'b', 'c'].filter((value) => recent.has(value))).toEqual(['a', 'c']);
  recent.delete('a');
  expect(recent.has('a')).toBe(false);
});
