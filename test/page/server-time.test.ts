import { observeServerTime, serverNowMs } from '../../src/page/server-time';

/** What the server's clock says `ms` after the page was opened. */
const startMs = Date.UTC(2026, 10, 30);

beforeEach(() => {
  jest.useFakeTimers({ now: startMs });
});
afterEach(() => jest.useRealTimers());

test('data that comes late does not set the clock back, and a clock that was set back is believed after two minutes', () => {
  observeServerTime(startMs);
  jest.advanceTimersByTime(3_000);
  observeServerTime(startMs);
  expect(serverNowMs()).toBe(startMs + 3_000);

  // The database has failed over to a machine whose clock is 30 s behind.
  const behindMs = startMs - 30_000;
  const isBelieved: boolean[] = [];
  for (let elapsedMs = 4_000; elapsedMs <= 124_000; elapsedMs += 1_000) {
    jest.advanceTimersByTime(1_000);
    observeServerTime(behindMs + elapsedMs);
    isBelieved.push(serverNowMs() === behindMs + elapsedMs);
  }
  expect(isBelieved[0]).toBe(false);
  expect(isBelieved.at(-1)).toBe(true);
});
