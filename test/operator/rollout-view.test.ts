import { buildSpec } from '../../src/cli/rollout/start';
import { LiveView } from '../../src/terminal/live-view';
import { forecastLines, forecastTraffic, requestsNeeded, type TrafficRate } from '../../src/operator/forecast';
import { wrapWords } from '../../src/terminal/format';
import { defaultRolloutGates } from '../../src/domain/rollout/plans';
import { rolloutSpecProblem } from '../../src/domain/rollout/validate';

const named = (): Promise<string> => Promise.resolve('november');
const rate = (turnsPerHour: number): TrafficRate => ({
  turnsLastDay: turnsPerHour * 24,
  turnsLastHour: turnsPerHour,
  turnsPerHour,
  basis: 'last 24 hours',
});

describe('the forecast of a rollout', () => {
  it('needs as many requests as the rule does, followed request by request', () => {
    const { mean, ninetyNinePercent, sufficient, method } = requestsNeeded(defaultRolloutGates);
    expect(Math.round(mean)).toBe(2025);
    expect(ninetyNinePercent).toBe(5106);
    expect(method).toBe('exact');
    // The shortest way: clean requests alone.
    expect([sufficient?.(980), sufficient?.(981)]).toEqual([0, expect.closeTo(0.997 ** 981, 6)]);
  });

  it('follows other gates as well', () => {
    expect(requestsNeeded({ ...defaultRolloutGates, alpha: 0.05 }).mean).toBeLessThan(1000);
    expect(requestsNeeded({ ...defaultRolloutGates, expectedSuccessRate: 0.9905 }).method).toBe('approximate');
  });

  it.each([0.5, 0.9, 0.99])('comes to an end when an alpha of %d asks for next to no evidence', async (alpha) => {
    const spec = await buildSpec({ defaultActor: 'ann' }, named);
    const forecast = forecastTraffic({ ...spec, gates: { ...spec.gates, alpha } }, rate(2000));
    expect(forecast.needed.sufficient?.(1_000_000)).toBeCloseTo(1, 3);
    expect(forecast.isEnough).toBe(true);
  });

  it.each([
    [500, false],
    [1150, false],
    [1200, true],
    [2000, true],
  ])('says whether %d turns an hour decide the default plan in time', async (turnsPerHour, isEnough) => {
    const spec = await buildSpec({ defaultActor: 'ann' }, named);
    const forecast = forecastTraffic(spec, rate(turnsPerHour));
    expect(forecast).toMatchObject({
      isEnough,
      byFirstStepEnd: turnsPerHour * 1.8,
      byLatestAdvance: turnsPerHour * 4.8,
      byPlanEnd: turnsPerHour * 28.8,
    });
    expect(forecast.turnsPerHourNeeded).toBeGreaterThan(1150);
    expect(forecast.turnsPerHourNeeded).toBeLessThanOrEqual(1200);
    expect(forecastLines(spec, forecast).at(-1)).toMatch(
      isEnough ? /^That is enough: it decides in time in 99/ : /^That is too little: it decides/,
    );
  });

  it('counts the minimum of requests of each step', async () => {
    const spec = await buildSpec({ defaultActor: 'ann' }, named);
    const gates = { ...spec.gates, alpha: 0.5, minimumStepRequests: 12_000 };
    // 12,000 in 12 hours at 10 %.
    expect(forecastTraffic({ ...spec, gates }, rate(9_000))).toMatchObject({
      turnsPerHourNeeded: 10_000,
      isEnough: false,
    });
  });
});

describe('a compressed plan', () => {
  it.each([2, 7, 300, 3600, 86_400])('is a plan of its own when divided by %d', async (compress) => {
    for (const plan of ['72h', 'guide'] as const) {
      const spec = await buildSpec({ plan, compress, defaultActor: 'ann' }, named);
      expect(rolloutSpecProblem(spec)).toBeNull();
      const whole = await buildSpec({ plan, defaultActor: 'ann' }, named);
      expect(spec.steps.at(-1)?.nominalEndMs).toBeCloseTo((whole.steps.at(-1)?.nominalEndMs ?? 0) / compress, -1);
    }
  });
});

describe('a view that is drawn again', () => {
  it('writes each drawing at once, over the last one, and gives the cursor back', () => {
    const written: string[] = [];
    const view = new LiveView({ rows: 4, write: (text) => written.push(text) });
    view.draw(['one', 'two', 'three', 'four']);
    view.draw(['five']);
    view.end();
    expect(written).toHaveLength(3);
    expect(written[0]).toContain('one\u001B[K\ntwo\u001B[K\nthree\u001B[K\n\u001B[J');
    expect(written[0]).not.toContain('four');
    expect(written[1]).toContain('\u001B[3Afive\u001B[K\n\u001B[J');
    // No clearing of the screen: that is what flickers.
    expect(written.join('')).not.toContain('\u001B[2J');
    expect(written[2]).toContain('\u001B[?25h');
  });

  it('takes a terminal that does not know its size for a usual one', () => {
    const written: string[] = [];
    new LiveView({ rows: 0, write: (text) => written.push(text) }).draw(['one', 'two']);
    expect(written[0]).toContain('two');
  });

  it('breaks sentences between words and lets no control character through', () => {
    expect(wrapWords('one two three\u001B[2J four', 12, '  ', '- ')).toEqual(['- one two', '  three [2J', '  four']);
  });
});
