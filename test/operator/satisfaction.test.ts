import type { FeedbackCount } from '../../src/contract/rollout-ledger';
import { satisfactionReport } from '../../src/operator/satisfaction';

const arms = { baselineArm: 'legacy', canaryArm: 'holysheep' };
const count = (arm: string, language: string, signal: FeedbackCount['signal'], turns: number): FeedbackCount => ({
  arm,
  language,
  signal,
  turns,
});

describe('satisfaction', () => {
  it('is up / (up + down) of each arm with its interval, in all and by language', () => {
    const report = satisfactionReport(
      [
        count('holysheep', 'en', 'up', 1),
        count('holysheep', 'zh', 'down', 9),
        count('holysheep', 'zh', 'up', 91),
        count('holysheep', 'zh', 'handoff', 4),
        count('legacy', 'zh', 'up', 68),
        count('legacy', 'zh', 'down', 32),
        count('legacy', 'zh', 'resolved', 2),
      ],
      arms,
    );
    // The migration guide's 68 % and 91 %. Wilson's interval of 91 in 100 is 83.77 to 95.19 %.
    const [first, second] = report.languages;
    expect(first).toMatchObject({
      language: 'zh',
      baseline: { up: 68, down: 32, handoff: 0, resolved: 2, rate: 0.68 },
      canary: { up: 91, down: 9, handoff: 4, resolved: 0, rate: 0.91 },
    });
    expect(first?.canary.interval?.low).toBeCloseTo(0.8377, 3);
    expect(first?.canary.interval?.high).toBeCloseTo(0.9519, 3);
    expect(second).toMatchObject({
      language: 'en',
      canary: { up: 1, rate: 1 },
      baseline: { rate: null, interval: null },
    });
    expect(report.canary).toMatchObject({ up: 92, down: 9, rate: 92 / 101 });
    expect(report.baseline.rate).toBe(0.68);
  });

  it('is unknown without a signal, and with signals that rate nothing', () => {
    expect(satisfactionReport([], arms)).toMatchObject({
      baseline: { rate: null },
      canary: { rate: null },
      languages: [],
    });
    const { canary } = satisfactionReport([count('holysheep', 'en', 'handoff', 3)], arms);
    expect(canary).toEqual({ up: 0, down: 0, handoff: 3, resolved: 0, rate: null, interval: null });
  });
});
