import type { HandOffEvent } from '../contract/hand-off';
import type { ImageStore } from '../contract/images';
import type { Policy } from '../contract/policy';
import type { TurnStreams } from '../contract/stream';
import type { Ledger } from '../contract/ledger';
import type { Provider } from '../contract/provider';
import type { SpanSource } from '../tracing/spans';
import type { TargetHealth } from './target-health';

/** What a worker may be configured anew while it runs. */
export interface ConfiguredVersion extends Pick<ActivityDependencies, 'policy' | 'providers'> {
  /** Its name: see `configurationVersion`. */
  readonly configuration: string;
}

export interface ConfiguredVersions {
  readonly current: ConfiguredVersion;
  /** A former version as long as its turns may need it; else the current one. */
  at(configuration: string | undefined): ConfiguredVersion;
}

/** The dependencies of the activities, provided by the worker's composition root or by tests. */
export interface ActivityDependencies {
  readonly ledger: Ledger;
  /** By name. */
  readonly providers: ReadonlyMap<string, Provider>;
  readonly policy: Policy;
  /** Left out: `policy` and `providers` never change. */
  readonly versions?: ConfiguredVersions;
  /** Receives the text of streamed turns as it arrives. */
  readonly streams: TurnStreams;
  readonly targets: TargetHealth;
  /** Left out: there is no gateway that would keep any. */
  readonly images?: ImageStore;
  /** Called when a turn is refused because of the day's budget. */
  readonly onDayBudgetRefused?: () => void;
  /** Tells people what happens in sessions that are handed over. It may be called again with the same event. */
  readonly onHandOff?: (event: HandOffEvent) => Promise<void>;
  /** Identifies this worker process. Reservations carry it: any other process must assume that the call may have been made. */
  readonly owner: string;
  /** Left out: traces are off. */
  readonly spans?: SpanSource;
}
