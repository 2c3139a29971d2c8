import { historyFullReason } from '../../src/workflows/conversation';

test('a history that Temporal would end is drained before, by its events or its size, and the caller is told which', () => {
  const small = { historyLength: 8_000, historySize: 20 * 1024 * 1024 };
  expect(historyFullReason('s', small, 8)).toBeNull();
  expect(historyFullReason('s', { ...small, historyLength: 8_001 }, 3)).toMatch(
    /^The history of session s has 8001 events/,
  );
  const large = historyFullReason('s', { historyLength: 50, historySize: small.historySize + 1 }, 3);
  expect(large).toContain('50 events and 20971521 bytes');
  expect(large).toContain('until its 3 turns in flight are answered');
});
