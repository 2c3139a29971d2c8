import { existsSync } from 'node:fs';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { defaultTaskQueue } from '../contract/names';
import { reasonOf } from '../reason';
import type { TemporalSettings } from './settings';

const notConfigured: TemporalSettings = {
  address: undefined,
  namespace: 'default',
  taskQueue: defaultTaskQueue,
  connectionOptions: {},
};

/** Temporal's own environment (`TEMPORAL_ADDRESS`, …) and `temporal.toml`, as all its tools read them. */
export function readTemporal(variables: Readonly<Record<string, string>>): {
  readonly temporal: TemporalSettings;
  readonly problems: readonly string[];
} {
  const file = variables['TEMPORAL_CONFIG_FILE'];
  if (file && !existsSync(file)) {
    return { temporal: notConfigured, problems: [`TEMPORAL_CONFIG_FILE: there is no file ${file}`] };
  }
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: { ...variables } });
    const { address, tls, apiKey, metadata } = connectionOptions;
    return {
      temporal: {
        address,
        namespace: namespace ?? notConfigured.namespace,
        taskQueue: variables['BELLWETHER_TASK_QUEUE'] ?? defaultTaskQueue,
        connectionOptions: {
          ...(address !== undefined && { address }),
          ...(tls !== undefined && { tls }),
          ...(typeof apiKey === 'string' && { apiKey }),
          ...(metadata !== undefined && { metadata: metadata as Record<string, string> }),
        },
      },
      problems: [],
    };
  } catch (error) {
    // The first line alone: a syntax error goes on with an excerpt of the file, which may hold a key.
    const [reason] = reasonOf(error).split('\n');
    return { temporal: notConfigured, problems: [`Temporal's configuration (TEMPORAL_…, temporal.toml): ${reason}`] };
  }
}
