import { shownForecast } from '../../src/cli/rollout/start';
import { defaultRolloutGates } from '../../src/domain/rollout/plans';
import { forecastTraffic, requestsNeeded, type TrafficRate } from '../../src/operator/forecast';
import { buildSpec } from '../../src/operator/new-rollout';

const unusedName = (): Promise<string> => Promise.resolve('november');
const rate = (turnsPerHour: number): TrafficRate => ({
  turnsLastDay: turnsPerHour * 24,
  turnsLastHour: turnsPerHour,
  turnsPerHour,
  basis: 'last 24 hours',
});

describe('the forecast of a rollout', () => {
  it('needs as many requests as the rule does when it is run request by request', () => {
    const { mean, ninetyNinePercent, sufficient, method } = requestsNeeded(defaultRolloutGates);
    expect(Math.round(mean)).toBe(2025);
    expect(ninetyNinePercent).toBe(5106);
    expect(method).toBe('exact');
    // The shortest path: clean requests only.
    expect([sufficient?.(980), sufficient?.(981)]).toEqual([0, expect.closeTo(0.997 ** 981, 6)]);
  });

  it('uses other gates too', () => {
    expect(requestsNeeded({ ...defaultRolloutGates, alpha: 0.05 }).mean).toBeLessThan(1000);
    expect(requestsNeeded({ ...defaultRolloutGates, expectedSuccessRate: 0.9905 }).method).toBe('approximate');
  });

  it.each([0.5, 0.9, 0.99])('ends if an alpha of %d asks for almost no evidence', async (alpha) => {
    const spec = await buildSpec({ actor: 'ann' }, { unusedName });
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
    const spec = await buildSpec({ actor: 'ann' }, { unusedName });
    const forecast = forecastTraffic(spec, rate(turnsPerHour));
    expect(forecast).toMatchObject({
      isEnough,
      byFirstStepEnd: turnsPerHour * 1.8,
      byLatestAdvance: turnsPerHour * 4.8,
      byPlanEnd: turnsPerHour * 28.8,
    });
    expect(forecast.turnsPerHourNeeded).toBeGreaterThan(1150);
    expect(forecast.turnsPerHourNeeded).toBeLessThanOrEqual(1200);
    expect(shownForecast(spec, forecast).at(-1)).toMatch(
      isEnough ? /That is enough: it decides in time in 99/ : /That is too little: it decides/,
    );
  });

  it('counts the minimum requests of each step', async () => {
    const spec = await buildSpec({ actor: 'ann' }, { unusedName });
    const gates = { ...spec.gates, alpha: 0.5, minimumStepRequests: 12_000 };
    // 12,000 in 12 hours at 10 %.
    expect(forecastTraffic({ ...spec, gates }, rate(9_000))).toMatchObject({
      turnsPerHourNeeded: 10_000,
      isEnough: false,
    });
  });
});
