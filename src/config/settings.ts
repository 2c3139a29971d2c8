import type { Policy } from '../contract/policy';
import type { ProviderSettings } from '../contract/provider';

/** What a client or a worker needs to connect to Temporal. */
export interface TemporalSettings {
  /** Undefined: no address was configured, so embedded mode may start its own server. */
  readonly address: string | undefined;
  readonly namespace: string;
  readonly taskQueue: string;
  /** Ready for `Connection.connect` and `NativeConnection.connect`; from `@temporalio/envconfig`. */
  readonly connectionOptions: {
    readonly address?: string;
    readonly tls?: unknown;
    readonly apiKey?: string;
    readonly metadata?: Record<string, string>;
  };
}

export interface EncryptionSettings {
  /** The key new payloads are encrypted with. */
  readonly activeKeyId: string;
  /** AES-256 keys by id; all but the active one only decrypt. */
  readonly keys: ReadonlyMap<string, Uint8Array>;
}

export interface GatewaySettings {
  /** Other names for the model `bellwether`. */
  readonly aliases: readonly string[];
  /** For an API key that has no limit of its own. */
  readonly requestsPerMinute: number;
  /** Host names under which callers may reach a gateway on loopback, besides `localhost` and its addresses. */
  readonly allowedHosts: readonly string[];
  /** For a request with images; its texts have a separate limit. */
  readonly maxBodyBytes: number;
  /** Origins whose pages may call the gateway: `https://chat.example.com`. */
  readonly corsOrigins: readonly string[];
}

/** Everything that a process reads when it starts. Only `src/config` reads the environment. */
export interface Settings {
  readonly temporal: TemporalSettings;
  readonly policy: Policy;
  readonly providers: readonly ProviderSettings[];
  /** True if no API key is set: embedded mode then simulates providers. */
  readonly simulated: boolean;
  /** `postgres://…`, or undefined for SQLite in the data directory. */
  readonly databaseUrl: string | undefined;
  readonly redisUrl: string | undefined;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Holds the ledger and the embedded Temporal server's file. */
  readonly dataDirectory: string;
  /** Shared between projects: holds the Temporal binary. */
  readonly cacheDirectory: string;
  readonly encryption: EncryptionSettings | undefined;
  readonly gateway: GatewaySettings;
}

/** The configuration cannot be used. `message` lists every problem and never contains a key. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';

  constructor(readonly problems: readonly string[]) {
    super(['The configuration cannot be used:', ...problems.map((problem) => `  - ${problem}`)].join('\n'));
  }
}
