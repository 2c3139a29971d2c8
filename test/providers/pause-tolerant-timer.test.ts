import { PauseTolerantTimer } from '../../src/providers/pause-tolerant-timer';

let nowMs = 0;
let timesDue = 0;
const timer = new PauseTolerantTimer();

beforeEach(() => {
  jest.useFakeTimers();
  [nowMs, timesDue] = [0, 0];
  jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
  timer.start(50, () => (timesDue += 1));
});
afterEach(() => {
  timer.clear();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** Time in which everything runs. Jest runs what a due timer puts off a millisecond later. */
function passTime(ms: number): void {
  nowMs += ms;
  jest.advanceTimersByTime(ms);
  jest.advanceTimersByTime(1);
}

/** Time in which nothing runs: what was due meanwhile comes after it. */
function standStill(ms: number): void {
  nowMs += ms;
}

test('it is due once after its time', () => {
  passTime(48);
  expect(timesDue).toBe(0);
  passTime(2);
  passTime(5_000);
  expect(timesDue).toBe(1);
});

test('after a pause of the process there is a second chance, and no third', () => {
  standStill(10_000);
  passTime(50);
  passTime(900);
  expect(timesDue).toBe(0);
  standStill(10_000);
  passTime(100);
  expect(timesDue).toBe(1);
});

test.each([0, 10_000])('a sign of life begins the whole time anew, after a pause of %i ms too', (pauseMs) => {
  standStill(pauseMs);
  passTime(pauseMs === 0 ? 40 : 50);
  timer.restart();
  passTime(45);
  expect(timesDue).toBe(0);
  passTime(5);
  expect(timesDue).toBe(1);
});

test.each([0, 10_000])(
  'once it is cleared it is never due, whoever restarts it, after a pause of %i ms either',
  (pauseMs) => {
    standStill(pauseMs);
    passTime(pauseMs === 0 ? 40 : 50);
    timer.clear();
    timer.restart();
    passTime(5_000);
    expect(timesDue).toBe(0);
  },
);
