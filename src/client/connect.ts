import { Client, Connection } from '@temporalio/client';
import type { ConnectionOptions } from '@temporalio/client';
import { readConnectionSettings } from '../config/connection-settings';
import type { EncryptionSettings, TemporalSettings } from '../config/settings';
import { createDataConverter } from '../encryption/data-converter';
import { BellwetherClient } from './bellwether-client';
import { TemporalUnreachableError } from './errors';

/** Long enough for a TLS handshake over a slow line, short enough for a service's start-up probe. */
const connectTimeoutMs = 10_000;

/** What is left out is read from the environment, `.env` and `temporal.toml`, as the worker reads it. */
export interface ConnectOptions {
  readonly temporal?: Partial<TemporalSettings>;
  /** null: none, whatever the environment says. */
  readonly encryption?: EncryptionSettings | null;
}

/**
 * Connects to Temporal once; the client reconnects by itself from then on.
 * @throws {TemporalUnreachableError}
 */
export async function connect(options: ConnectOptions = {}): Promise<BellwetherClient> {
  const configured = readConnectionSettings();
  const encryption = options.encryption === undefined ? configured.encryption : options.encryption;
  const temporal: TemporalSettings = { ...configured.temporal, ...options.temporal };
  const { address } = temporal;
  const connectionOptions = {
    ...temporal.connectionOptions,
    address,
    connectTimeout: connectTimeoutMs,
  } as ConnectionOptions;
  const connection = await Connection.connect(connectionOptions).catch((error: unknown) => {
    throw new TemporalUnreachableError(
      `Temporal does not answer at ${address}. Start it (bellwether up starts one), or set TEMPORAL_ADDRESS.`,
      { cause: error },
    );
  });
  const client = new Client({
    connection,
    namespace: temporal.namespace,
    dataConverter: createDataConverter(encryption ?? undefined),
  });
  return new BellwetherClient(client, temporal.taskQueue);
}
