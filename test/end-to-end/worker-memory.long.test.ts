import { once } from 'node:events';
import { countBy } from '../support/audit';
import { eventually } from '../support/eventually';
import { type LimitedProcess, startLimited } from '../support/limited-process';
import { peakMemoryOf } from '../support/memory-limit';
import { prepareService, primaryModel, type Service } from '../support/service';
import { unique } from '../support/temporal';

const turnCount = 150;
/** As large as a message may be, and as many of them as stay under a megabyte. */
const messages = Array.from({ length: 15 }, () => ({ role: 'user', content: 'x'.repeat(65_536) }) as const);
const patienceMs = 540_000;

let service: Service;
let worker: LimitedProcess;
beforeAll(async () => {
  service = await prepareService({
    models: { [primaryModel]: { latency: { kind: 'fixed', ms: 3_000 }, contextTokens: 2_000_000 } },
    configuration: { budgets: { sessionUsd: 100_000, dayUsd: 100_000 } },
  });
  worker = startLimited('worker', service, []);
  await eventually('the worker polls', () => worker.said().includes('worker started'));
}, 120_000);
afterAll(async () => {
  await worker.stop();
  await service.stop();
});

test(
  'a worker with the memory of docker-compose.yml answers 150 turns of a megabyte that a backend service starts at once',
  async () => {
    // A gateway would have weighed them.
    const complete = () =>
      service.client.complete({ turnId: unique('large'), messages, deadlineMs: patienceMs }).then(
        ({ success }) => (success ? 'answered' : 'degraded'),
        (error: unknown) => (error as Error).name,
      );
    const ended = once(worker.child, 'exit').then(() => ['the worker was killed']);
    const outcomes = await Promise.race([ended, Promise.all(Array.from({ length: turnCount }, complete))]);

    expect(countBy(outcomes, (outcome) => outcome)).toEqual({ answered: turnCount });
    const peakBytes = peakMemoryOf(worker.child.pid ?? 0);
    expect(peakBytes).toBeLessThan(worker.limitBytes);
    const [peak, limit] = [peakBytes, worker.limitBytes].map((bytes) => (bytes / 1024 / 1024).toFixed(0));
    process.stdout.write(`${turnCount} turns of a megabyte at once: at most ${peak} of ${limit} MiB\n`);
  },
  patienceMs + 30_000,
);
