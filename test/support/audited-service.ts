import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SimulatedModels } from '../../src/local/simulator/behaviour';
import { readCallLog, type SimulatedCall } from '../../src/local/simulator/call-log';
import { startSimulatorProcess } from '../../src/local/simulator/simulator-process';
import { prepareService, type Service, type ServiceOptions } from './service';
import { spawnWorker, type WorkerProcess } from './worker-process';

export interface AuditedService extends Service {
  /** The provider's own log so far. */
  calls(): readonly SimulatedCall[];
  /** Another worker process, once it polls. */
  addWorker(): Promise<WorkerProcess>;
}

type AuditedServiceOptions = Omit<ServiceOptions, 'simulator'> & { readonly models: SimulatedModels };

/**
 * These tests kill workers, servers and databases, and count every repeated call; so they wait for a stalled provider.
 */
const patientRetry = { baseTimeoutMs: 40_000 } as const;

/** A service with its provider and workers in their own processes, whose provider logs every call. */
export async function prepareAuditedService(options: AuditedServiceOptions): Promise<AuditedService> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-calls-'));
  const logFile = join(directory, 'calls.jsonl');
  const script = join(__dirname, 'simulator-main.js');
  const simulator = await startSimulatorProcess({ script, models: options.models, logFile });
  const workers: WorkerProcess[] = [];
  const { configuration = {} } = options;
  const retry = { ...patientRetry, ...configuration.retry };
  const service = await prepareService({ ...options, simulator, configuration: { ...configuration, retry } }).catch(
    async (error: unknown) => {
      await simulator.close();
      throw error;
    },
  );
  return {
    ...service,
    calls: () => readCallLog(logFile),
    addWorker: async () => {
      const worker = spawnWorker(service);
      workers.push(worker);
      await worker.started;
      return worker;
    },
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      await service.stop();
      await simulator.close();
      await rm(directory, { recursive: true });
    },
  };
}
