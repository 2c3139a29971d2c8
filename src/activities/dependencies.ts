import type { Policy } from '../contract/policy';
import type { TurnStreams } from '../contract/stream';
import type { Ledger } from '../contract/ledger';
import type { Provider } from '../contract/provider';
import type { TargetMemory } from './target-health';

/** What the activities work with; the worker's composition root and the tests each bring their own. */
export interface ActivityDependencies {
  readonly ledger: Ledger;
  /** By name. */
  readonly providers: ReadonlyMap<string, Provider>;
  readonly policy: Policy;
  /** Where the text of streamed turns goes as it comes. */
  readonly streams: TurnStreams;
  readonly targets: TargetMemory;
  /** This worker process: reservations carry it, so that another process knows a call may have been made. */
  readonly owner: string;
}
