import { RecentLiveness } from '../../src/operator/recent-liveness';
import { type Liveness, type ObservedWorkflow, withoutTemporal } from '../../src/operator/view';

/** Temporal, as one who decides when it answers sees it. */
class Temporal {
  questions = 0;
  readonly unanswered: {
    resolve(workflow: ObservedWorkflow): void;
    reject(error: Error): void;
  }[] = [];

  observe(): Promise<ObservedWorkflow> {
    this.questions += 1;
    return new Promise((resolve, reject) => this.unanswered.push({ resolve, reject }));
  }

  async answer(status: Liveness): Promise<void> {
    this.unanswered.shift()?.resolve({ status, recordingFailure: null });
    await turnOfEventLoop();
  }

  async fail(): Promise<void> {
    this.unanswered.shift()?.reject(new Error('the connection was lost'));
    await turnOfEventLoop();
  }
}

const turnOfEventLoop = () => new Promise((resolve) => setImmediate(resolve));

describe('what Temporal said of workflows lately', () => {
  let nowMs: number;
  let temporal: Temporal;
  let liveness: RecentLiveness;
  beforeEach(async () => {
    nowMs = 1_000_000;
    jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
    temporal = new Temporal();
    liveness = new RecentLiveness(() => temporal.observe());
    const first = statusNow();
    await temporal.answer('running');
    expect(await first).toBe('running');
  });
  afterEach(() => jest.restoreAllMocks());

  const statusNow = async () => (await liveness.of('november')).status;

  it('is asked again after 5 seconds', async () => {
    nowMs += 4_900;
    expect(await statusNow()).toBe('running');
    expect(temporal.questions).toBe(1);
    nowMs += 100;
    expect(await statusNow()).toBe('running');
    expect(temporal.questions).toBe(2);
    await temporal.answer('completed');
    expect(await statusNow()).toBe('completed');
  });

  it('keeps an answer that takes longer than the time between two questions', async () => {
    nowMs += 5_000;
    await statusNow();
    nowMs += 6_000;
    await statusNow();
    await temporal.answer('failed');
    expect(await statusNow()).toBe('failed');
  });

  it('is not known any more while Temporal hangs, and is asked once at a time', async () => {
    for (let second = 1; second <= 60; second += 1) {
      nowMs += 1_000;
      await statusNow();
    }
    expect(await statusNow()).toBe('unreachable');
    expect(temporal.questions).toBe(2);
    await temporal.answer('running');
    expect(await statusNow()).toBe('running');
  });

  it('shows the last answer for some seconds while Temporal is slow', async () => {
    nowMs += 5_000;
    expect(await statusNow()).toBe('running');
    nowMs += 9_900;
    expect(await statusNow()).toBe('running');
    nowMs += 100;
    expect(await statusNow()).toBe('unreachable');
  });

  it('asks again after a question that failed', async () => {
    nowMs += 5_000;
    await statusNow();
    await temporal.fail();
    expect(await statusNow()).toBe(withoutTemporal.status);
    nowMs += 5_000;
    await statusNow();
    await temporal.answer('running');
    expect(await statusNow()).toBe('running');
  });

  it('is old at once to those who look again after a long time', async () => {
    nowMs += 600_000;
    const seen = statusNow();
    await temporal.answer('failed');
    expect(await seen).toBe('failed');
  });
});
