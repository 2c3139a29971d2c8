import { setTimeout as sleep } from 'node:timers/promises';
import type { ConfigFileInput } from '../../src/config/schema';
import { eventually } from '../support/eventually';
import { fallbackModel, prepareService, primaryModel, type Service, startService } from '../support/service';
import { unique } from '../support/temporal';
import { spawnWorker } from '../support/worker-process';
import { evidenceRequest, playTurn, startRollout } from '../ledger/user-rollouts';

/** Slow calls inside the workflow task, so that whatever happens to the task happens to the call. */
function slowLocalCalls(latencyMs: number) {
  const target = { provider: 'holysheep', firstAttempt: 'local' } as const;
  return {
    models: { [primaryModel]: { latency: { kind: 'fixed', ms: latencyMs } }, [fallbackModel]: {} } as const,
    configuration: {
      arms: {
        holysheep: {
          targets: [
            { ...target, name: 'holysheep-primary', model: primaryModel },
            { ...target, name: 'holysheep-fallback', model: fallbackModel },
          ],
        },
      },
      defaultArm: 'holysheep',
      retry: { baseTimeoutMs: 45_000 },
    } satisfies ConfigFileInput,
  };
}

async function callBegan(service: Service): Promise<void> {
  await eventually('a call began', async () => (await service.simulator.calls()).length > 0);
}

test('a worker that is asked to stop finishes its running turn first', async () => {
  const service = await prepareService(slowLocalCalls(1_500));
  try {
    const worker = spawnWorker(service);
    const reply = service.client.send({ sessionId: unique('session'), content: 'Where is my order?' });
    await callBegan(service);
    const status = worker.stop();
    await expect(reply).resolves.toMatchObject({ success: true, attempts: 1 });
    await expect(status).resolves.toBe(0);
  } finally {
    await service.stop();
  }
});

test('a workflow task that comes back because its worker stalled joins the running call instead of paying for another', async () => {
  // The server takes a workflow task away after 10 s; the worker wakes up later than that, during its call.
  const service = await prepareService(slowLocalCalls(14_000));
  const worker = spawnWorker(service);
  try {
    const reply = service.client.send({ sessionId: unique('session'), content: 'Where is my order?' });
    await callBegan(service);
    process.kill(worker.pid, 'SIGSTOP');
    await sleep(11_500);
    process.kill(worker.pid, 'SIGCONT');
    await expect(reply).resolves.toMatchObject({ success: true, attempts: 1, provider: 'holysheep-primary' });
    const calls = await service.simulator.calls();
    expect(calls.map((call) => call.outcome)).toEqual(['answered']);
    const rows = await service.ledger.attempts();
    expect(rows.map((row) => row.state)).toEqual(['settled']);
  } finally {
    await worker.kill();
    await service.stop();
  }
});

test('a worker counts the users of a rollout by itself, between analyses', async () => {
  const service = await startService();
  try {
    const { ledger } = service;
    await startRollout(ledger, 'november');
    await playTurn(ledger, { rollout: 'november', atMs: Date.now() });
    // Nobody analyses: this reads what has been counted.
    const counted = async () => (await ledger.rollouts.countedUserEvidence(evidenceRequest('november'))).canary.users;
    await eventually('the user is counted', async () => (await counted()) === 1);
    await playTurn(ledger, { rollout: 'november', atMs: Date.now(), userId: 'ben' });
    await eventually('the next one is counted, too', async () => (await counted()) === 2);
  } finally {
    await service.stop();
  }
});
