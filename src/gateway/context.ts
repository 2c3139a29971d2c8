import type { Logger } from 'pino';
import type { RecentApiKeys } from '../access/recent-api-keys';
import type { BellwetherClient } from '../client';
import type { EncryptionSettings, GatewaySettings } from '../config/settings';
import type { WhileBusy } from '../contract/chat';
import type { ImageStore } from '../contract/images';
import type { Policy } from '../contract/policy';
import type { TurnStreams } from '../contract/stream';
import type { Ledger } from '../contract/ledger';
import type { SpanSource } from '../tracing/spans';
import type { BodyHashes } from './body-hash';
import type { GatewayLimits } from './limits';
import type { GatewayMetrics } from './metrics';
import type { ModelNames } from '../domain/turn/model-names';
import type { OpenRequests } from './open-requests';
import type { TurnReaders } from './turn-readers';
import type { Readiness } from './readiness';

/** What a gateway needs of the rest of the service. */
export interface GatewayParts {
  readonly client: BellwetherClient;
  readonly ledger: Pick<Ledger, 'keys' | 'requests' | 'sessions' | 'recordFeedback' | 'check'>;
  readonly streams: TurnStreams;
  readonly images: Pick<ImageStore, 'keep'>;
  readonly settings: GatewayConfiguration;
  readonly logger: Logger;
  /** Left out: traces are off. */
  readonly spans?: SpanSource;
}

interface GatewayConfiguration {
  readonly policy: Pick<Policy, 'arms' | 'chains' | 'offeredModels' | 'retry'>;
  readonly gateway: GatewaySettings;
  readonly encryption: EncryptionSettings | undefined;
}

/** What its routes share. */
export interface GatewayContext extends Omit<GatewayParts, 'settings'> {
  /** The ledger's, remembered for a second. */
  readonly keys: RecentApiKeys;
  readonly models: ModelNames;
  readonly metrics: GatewayMetrics;
  readonly open: OpenRequests;
  readonly readers: TurnReaders;
  /** For a message whose request does not say. */
  readonly whileBusy: WhileBusy;
  readonly readiness: Readiness;
  readonly bodyHashes: BodyHashes;
  readonly limits: GatewayLimits;
  /** How long a caller waits for a turn: the longest that the policy allows, and what a worker that dies adds. */
  readonly turnDeadlineMs: number;
}
