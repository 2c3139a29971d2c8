import { randomUUID } from 'node:crypto';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createActivities } from '../../src/activities/create-activities';
import { TargetHealth } from '../../src/activities/target-health';
import { findAuditProblem, readAudit } from '../../src/operator/audit-chain';
import { RolloutClient } from '../../src/client/rollout-client';
import { openLedger } from '../../src/ledger/open-ledger';
import type { Provider } from '../../src/contract/provider';
import { createProvider } from '../../src/providers/openai-compatible';
import { startSimulator } from '../../src/local/simulator/simulator';
import { type Interference, interferingLedger } from './interfering-ledger';
import { prepareService, primaryModel, type Service, type ServiceOptions } from './service';
import { unique, workflowBundle } from './temporal';

export interface RolloutService extends Service {
  readonly rollouts: RolloutClient;
  /** Sends turns of users on both sides of every split. */
  sendTurns(count: number): Promise<void>;
  /**
   * The actions in a rollout's audit trail: `start`, `advance`, …, with `bellwether` as the actor of automatic ones.
   */
  actions(rollout: string): Promise<readonly (readonly [action: string, actor: string])[]>;
  /** The result of `bellwether rollout verify`; null if all is well. */
  auditProblem(): Promise<string | null>;
}

/** A service with all its traffic on a legacy arm, and no worker. */
export async function prepareRolloutService(options: ServiceOptions = {}): Promise<RolloutService> {
  const simulator = options.simulator ?? (await startSimulator({ models: { [primaryModel]: {}, 'legacy-chat': {} } }));
  const service = await prepareService({
    ...options,
    simulator,
    configuration: { defaultArm: 'legacy', ...options.configuration },
    environment: { LEGACY_BASE_URL: simulator.baseUrl, LEGACY_API_KEY: 'sk-legacy', ...options.environment },
  });
  return {
    ...service,
    rollouts: new RolloutClient(service.temporal, service.settings.temporal.taskQueue),
    sendTurns: async (count) => {
      const send = (_: unknown, index: number) =>
        service.client.send({ sessionId: unique('session'), userId: `user-${index}`, content: 'Where is my order?' });
      await Promise.all(Array.from({ length: count }, send));
    },
    actions: async (rollout) =>
      (await service.ledger.rollouts.auditTrail(rollout)).map(({ action, actor }) => [action, actor] as const),
    auditProblem: async () => findAuditProblem(await readAudit(service.ledger.rollouts), {})?.problem ?? null,
    stop: async () => {
      await service.stop();
      if (!options.simulator) await simulator.close();
    },
  };
}

/**
 * A worker of the service in this process, with hooks in its ledger, and with the workflows of another version if their code is
 * given. Returns a function that stops it.
 */
export async function startInterferedWorker(
  service: Service,
  interference: Interference,
  workflows: { readonly code: string } = workflowBundle(),
): Promise<() => Promise<void>> {
  const { temporal, policy, providers } = service.settings;
  const ledger = await openLedger(service.settings);
  const providersByName = new Map(providers.map((settings) => [settings.name, createProvider(settings)]));
  const connection = await NativeConnection.connect({ address: temporal.address });
  const worker = await Worker.create({
    connection,
    namespace: temporal.namespace,
    taskQueue: temporal.taskQueue,
    workflowBundle: workflows,
    activities: createActivities({
      ledger: interferingLedger(ledger, interference),
      providers: new Map(
        [...providersByName].map(([name, provider]) => [name, watchedProvider(provider, interference)]),
      ),
      policy,
      streams: service.streams,
      targets: new TargetHealth(policy),
      owner: randomUUID(),
    }),
  });
  const finished = worker.run();
  return async () => {
    worker.shutdown();
    await finished;
    await connection.close();
    await Promise.all([...providersByName.values()].map((provider) => provider.close()));
    await ledger.close();
  };
}

function watchedProvider(provider: Provider, { calls }: Interference): Provider {
  const complete: Provider['complete'] = (request) => {
    calls?.(request);
    return provider.complete(request);
  };
  return Object.create(provider, { complete: { value: complete } }) as Provider;
}
