import { BellwetherClient } from '../../src/client/bellwether-client';
import { fallbackModel, primaryModel, startService } from '../support/service';
import { unique } from '../support/temporal';

/** More than the ten updates of one workflow that Temporal takes at once, each from a client with a queue of its own. */
const writers = 16;
const messagesEach = 4;

test('more processes than Temporal takes messages of a session from at once: each message is answered, with one call', async () => {
  const latency = { kind: 'fixed', ms: 50 } as const;
  const service = await startService({
    models: { [primaryModel]: { latency }, [fallbackModel]: { latency } },
    configuration: { budgets: { sessionUsd: 1_000 } },
  });
  try {
    const sessionId = unique('session');
    const { taskQueue } = service.settings.temporal;
    const replies = await Promise.all(
      Array.from({ length: writers }, (_, writer) => {
        const client = new BellwetherClient(service.temporal, taskQueue);
        const contents = Array.from({ length: messagesEach }, (__, index) => `Hello ${writer}.${index}`);
        return Promise.all(contents.map((content) => client.send({ sessionId, content })));
      }),
    );
    const calls = (await service.simulator.calls()).map(({ requestId }) => requestId);
    expect(calls.toSorted()).toEqual(
      replies
        .flat()
        .map(({ turn_id }) => `${turn_id}.1`)
        .toSorted(),
    );
  } finally {
    await service.stop();
  }
});
