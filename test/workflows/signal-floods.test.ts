import { withoutFlood } from '../../src/workflows/signal-floods';

/** `pause-3`: the third pause. */
const nameOf = (job: string): string | null => (job.includes('-') ? (job.split('-')[0] ?? null) : null);
const many = (name: string, count: number): string[] => Array.from({ length: count }, (_, index) => `${name}-${index}`);

test('of thousands of signals of a command only the last ones are handled, in their order', () => {
  const jobs = many('pause', 5_000).flatMap((pause, index) => [pause, `resume-${index}`]);
  const kept = withoutFlood(jobs, nameOf);
  expect(kept).toEqual(jobs.slice(-100));
});

test('no command drowns another, and nothing but commands is left out', () => {
  const jobs = ['fireTimer', 'rollback-0', ...many('promote', 9_000), 'resolveActivity', ...many('other', 200)];
  const kept = withoutFlood(jobs, nameOf);
  expect(kept).toEqual(['fireTimer', 'rollback-0', ...many('promote', 9_000).slice(-50), ...jobs.slice(-201)]);
});

test('a few signals are all handled', () => {
  const jobs = [...many('pause', 50), ...many('resume', 50)];
  expect(withoutFlood(jobs, nameOf)).toEqual(jobs);
});
