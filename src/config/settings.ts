import type { WhileBusy } from '../contract/chat';
import type { KeyRing } from '../contract/key-ring';
import type { NotifyTarget } from '../contract/notifications';
import type { Policy } from '../contract/policy';
import type { ProviderSettings } from '../contract/provider';
import type { samplers } from './tracing';

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

/** AES-256 keys: the active one encrypts, all of them decrypt. */
export interface EncryptionSettings extends KeyRing {
  /** Refuses payloads that are not encrypted. Default: false. */
  readonly strict?: boolean;
}

export const onDisconnectChoices = ['continue', 'cancel'] as const;
export type OnDisconnect = (typeof onDisconnectChoices)[number];

export interface GatewaySettings {
  /** Other names for the model `bellwether`. */
  readonly aliases: readonly string[];
  /** For an API key that has no limit of its own. */
  readonly requestsPerMinute: number;
  /** Host names under which callers may reach a gateway on loopback, besides `localhost` and its addresses. */
  readonly allowedHosts: readonly string[];
  /** For a request with images; its texts have a separate limit. */
  readonly maxBodyBytes: number;
  /** Requests open at once in one gateway, in all and for one API key. */
  readonly maxOpenRequests: number;
  readonly maxOpenRequestsOfKey: number;
  /** Bytes in the bodies of one gateway's open requests, in all and for one API key. */
  readonly maxBytesInFlight: number;
  readonly maxBytesInFlightOfKey: number;
  /** Whether a turn goes on when the last client that waits for it at a gateway has left. */
  readonly onDisconnect: OnDisconnect;
  /** What becomes of a session's message while earlier ones have no answer. */
  readonly whileBusy: WhileBusy;
  /** Origins whose pages may call the gateway: `https://chat.example.com`. */
  readonly corsOrigins: readonly string[];
}

/** Where a worker serves its metrics. */
export interface MetricsSettings {
  readonly host: string;
  /** 0: any free port. Undefined: they are not served. */
  readonly port: number | undefined;
}

/** Where traces go, and how many. */
export interface TracingSettings {
  /** Of the collector, with its path; null: the configured one cannot be used. It may contain a password. */
  readonly url: string | null;
  /** They may contain a key. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of one request to the collector, with its retries. */
  readonly exportTimeoutMs: number;
  readonly serviceName: string | undefined;
  readonly resourceAttributes: Readonly<Record<string, string>>;
  readonly sampler: (typeof samplers)[number];
  /** From 0 to 1, for the samplers that take one. */
  readonly sampledRatio: number;
  /** For the log. */
  readonly warnings: readonly string[];
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
  /** HMAC-SHA-256 keys for the audit trail of rollouts: the active one hashes new rows, all of them verify. */
  readonly auditKeys: KeyRing | undefined;
  /** Hides sessions that are named by a mail address or a telephone number; see `withoutPersonalData`. */
  readonly idKey: Uint8Array | undefined;
  readonly gateway: GatewaySettings;
  readonly metrics: MetricsSettings;
  /** Undefined: no spans are made. */
  readonly tracing: TracingSettings | undefined;
  /** Whom workers tell what happens. */
  readonly notify: readonly NotifyTarget[];
}

/** The configuration cannot be used. `message` lists every problem and never contains a key. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';

  constructor(readonly problems: readonly string[]) {
    super(['The configuration cannot be used:', ...problems.map((problem) => `  - ${problem}`)].join('\n'));
  }
}
