import { compressionFor, Pace, planMs } from '../../src/local/demo/pace';

const planSeconds = planMs / 1_000;

test('72 hours take a minute on a machine that handles at least 250 turns a second', () => {
  for (const turnsPerSecond of [250, 300, 1_000]) expect(planSeconds / compressionFor(turnsPerSecond)).toBe(60);
});

test('a slower machine gets enough time for the same number of turns', () => {
  for (const turnsPerSecond of [249, 100, 30, 5]) {
    const turns = (turnsPerSecond * planSeconds) / compressionFor(turnsPerSecond);
    expect(turns / (250 * 60)).toBeCloseTo(1, 1);
  }
});

/** As if every answer had taken this many times the usual time. */
function paceAfter(slowdown: number, adjustments: number, pace = new Pace()): Pace {
  for (let adjustment = 0; adjustment < adjustments; adjustment += 1) {
    for (let answer = 0; answer < 10; answer += 1) pace.answered(slowdown);
    pace.adjust();
  }
  return pace;
}

test('users send fewer turns while answers are slow, but never stop, and send more again afterwards', () => {
  const pace = paceAfter(10, 100);
  expect(pace).toMatchObject({ concurrentTurns: 8, concurrentWorkflows: 1 });
  paceAfter(1, 100, pace);
  expect(pace.concurrentTurns).toBe(pace.maximum);
});

test('a machine that is slow even with few turns is not slowed further by fewer', () => {
  expect(paceAfter(2, 100).concurrentTurns).toBeGreaterThan(40);
});
