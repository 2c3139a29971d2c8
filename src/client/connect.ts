import { Client, Connection } from '@temporalio/client';
import type { ConnectionLike, ConnectionOptions } from '@temporalio/client';
import { readConnectionSettings } from '../config/connection-settings';
import type { EncryptionSettings, TemporalSettings } from '../config/settings';
import { errorMessage } from '../contract/failures';
import { createDataConverter } from '../encryption/data-converter';
import { BellwetherClient } from './bellwether-client';
import { TemporalUnreachableError } from './errors';
import { RolloutClient } from './rollout-client';

/** Long enough for a TLS handshake over a slow line, short enough for a service's start-up probe. */
const defaultConnectTimeoutMs = 10_000;

/** Omitted options are read from the environment, `.env` and `temporal.toml`, as in the worker. */
export interface ConnectOptions {
  readonly temporal?: Partial<TemporalSettings>;
  /** null: no encryption, even if the environment configures it. */
  readonly encryption?: EncryptionSettings | null;
  /** A key of 32 bytes that hides sessions named by personal data; null: no key, even if the environment configures one. */
  readonly idKey?: Uint8Array | null;
  /** How long to wait for Temporal's first answer, in milliseconds. Default 10,000. */
  readonly connectTimeoutMs?: number;
}

/**
 * Connects to Temporal once; the client reconnects by itself from then on.
 * @throws {TemporalUnreachableError}
 */
export async function connect(options: ConnectOptions = {}): Promise<BellwetherClient> {
  const { client, taskQueue, idKey } = await connectToTemporal(options, withoutRetries);
  return new BellwetherClient(client, taskQueue, { idKey });
}

/**
 * Like `connect`, for a process that also runs a worker: turns start over the worker's connection and go straight to
 * that worker. Disconnecting the client leaves that connection open.
 * @throws {TemporalUnreachableError}
 */
export async function connectBesideWorker(
  options: ConnectOptions,
  workerConnection: ConnectionLike,
): Promise<BellwetherClient> {
  const { client, taskQueue, over, idKey } = await connectToTemporal(options, withoutRetries);
  return new BellwetherClient(client, taskQueue, { starter: over(workerConnection), idKey });
}

export interface OperatorOptions extends ConnectOptions {
  /** How long each call may take, in milliseconds. Default 60,000. */
  readonly deadlineMs?: number;
}

/**
 * Like `connect`, for operating rollouts.
 * @throws {TemporalUnreachableError}
 */
export async function connectOperator(options: OperatorOptions = {}): Promise<RolloutClient> {
  const { client, taskQueue } = await connectToTemporal(options);
  return new RolloutClient(client, taskQueue, options.deadlineMs);
}

/**
 * `BellwetherClient` repeats its calls itself. Temporal's own retries run from timers that outlive the connection: after
 * `disconnect`, they would end the process with an error that nobody can catch.
 */
const withoutRetries: ConnectionOptions = { interceptors: [] };

async function connectToTemporal(options: ConnectOptions, changes?: ConnectionOptions) {
  const configured = readConnectionSettings();
  const encryption = options.encryption === undefined ? configured.encryption : options.encryption;
  const idKey = (options.idKey === undefined ? configured.idKey : options.idKey) ?? undefined;
  const temporal: TemporalSettings = { ...configured.temporal, ...options.temporal };
  const connection = await openConnection(temporal, options.connectTimeoutMs, whatToDo, changes);
  const dataConverter = createDataConverter(encryption ?? undefined);
  const over = (used: ConnectionLike) => new Client({ connection: used, namespace: temporal.namespace, dataConverter });
  return { client: over(connection), taskQueue: temporal.taskQueue, over, idKey };
}

const whatToDo = '. Start it (`bellwether up` starts one), or set TEMPORAL_ADDRESS.';

/**
 * Opens a connection that the caller must close. The error names the address and the cause, followed by `advice`.
 * @throws {TemporalUnreachableError}
 */
export async function openConnection(
  { address, connectionOptions }: TemporalSettings,
  connectTimeoutMs = defaultConnectTimeoutMs,
  advice = whatToDo,
  changes: ConnectionOptions = {},
): Promise<Connection> {
  const options = { ...connectionOptions, ...changes, address, connectTimeout: connectTimeoutMs } as ConnectionOptions;
  try {
    return await Connection.connect(options);
  } catch (error) {
    const message = `Temporal does not answer at ${address} (${errorMessage(error)})${advice}`;
    throw new TemporalUnreachableError(message, { cause: error });
  }
}
