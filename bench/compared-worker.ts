import { NativeConnection, Worker } from '@temporalio/worker';
import type { Settings } from '../src/config/settings';
import { openLedger } from '../src/ledger/open-ledger';
import { TargetHealth } from '../src/activities/target-health';
import { createProvider } from '../src/providers/openai-compatible';
import { openTurnStreams } from '../src/streams/open-streams';
import { workerTuning, type RunningWorker } from '../src/services/worker';
import { Steps } from './steps';
import { HistoryStore } from './history-store';
import { createPlainActivities } from './plain-activities';
import { createTextbookActivities } from './textbook-activities';

/** A worker of a way that Bellwether is compared with: same ledger, same provider adapter, same tuning. */
export async function startComparedWorker(
  kind: 'textbook' | 'plain',
  settings: Settings,
  workflowBundle: string,
): Promise<RunningWorker> {
  const { temporal, policy } = settings;
  const ledger = await openLedger(settings);
  const history = new HistoryStore(settings.dataDirectory);
  const providers = new Map(settings.providers.map((provider) => [provider.name, createProvider(provider)]));
  // The benchmark streams nothing.
  const streams = openTurnStreams(undefined);
  const targets = new TargetHealth(policy.breaker);
  const steps = new Steps({ ledger, providers, policy, streams, targets, owner: kind });
  const connection = await NativeConnection.connect({ address: temporal.address });
  const worker = await Worker.create({
    ...workerTuning,
    connection,
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    workflowBundle: { codePath: workflowBundle },
    activities: kind === 'textbook' ? createTextbookActivities(steps) : createPlainActivities(steps, history),
  });
  const finished = runToTheEnd();
  return {
    finished,
    connection,
    targetStates: () => targets.breakers.states(),
    stop: () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      return finished;
    },
  };

  async function runToTheEnd(): Promise<void> {
    await worker.run();
    await Promise.all([...providers.values()].map((provider) => provider.close()));
    await ledger.close();
    history.close();
    await connection.close();
  }
}
