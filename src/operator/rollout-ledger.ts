import type { Settings } from '../config/settings';
import type { RolloutEntry, RolloutSpec, RolloutState } from '../contract/rollout';
import type { Ledger } from '../contract/ledger';
import type { AuditRow, Rollouts } from '../contract/rollout-ledger';
import { withLedger } from './connections';

/** A rollout as the audit trail tells it: works whatever has become of its workflow. */
export interface KnownRollout {
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  readonly last: RolloutEntry;
}

/** One decision of the trail, with the state that it was taken in. */
export interface TrailEntry extends RolloutEntry {
  readonly row: AuditRow;
  /** Null before the first. */
  readonly before: RolloutState | null;
}

/** Opens the ledger for one command. @throws when there is none yet, as there is no rollout then */
export function useLedger<T>(work: (ledger: Ledger, settings: Settings) => Promise<T>): Promise<T> {
  return withLedger(work, (database) => {
    throw new Error(
      `There is no ledger yet in ${database}, and no rollout. \`bellwether up\` or a worker makes it; set BELLWETHER_DATA_DIR or DATABASE_URL if it is elsewhere.`,
    );
  });
}

/** The named rollout, or the most recent one. @throws when there is none */
export async function findRollout(rollouts: Rollouts, name: string | undefined): Promise<KnownRollout> {
  const row = await rollouts.lastAuditRow(name);
  if (row === null) throw name === undefined ? noRolloutYet() : unknownRollout(name);
  const last = entryOf(row);
  return { spec: last.spec, state: last.decision.next, last };
}

/** Every decision of one rollout, oldest first. @throws when there is no such rollout */
export async function readTrail(rollouts: Rollouts, name: string | undefined): Promise<readonly TrailEntry[]> {
  const { spec } = await findRollout(rollouts, name);
  const rows = await rollouts.auditTrail(spec.name);
  let before: RolloutState | null = null;
  return rows.map((row) => {
    const entry: TrailEntry = { ...entryOf(row), row, before };
    before = entry.decision.next;
    return entry;
  });
}

function entryOf(row: AuditRow): RolloutEntry {
  try {
    return JSON.parse(row.entry) as RolloutEntry;
  } catch (error) {
    throw new Error(
      `Row ${row.sequence} of rollout ${row.rollout} cannot be read; \`bellwether rollout verify\` says more.`,
      { cause: error },
    );
  }
}

function noRolloutYet(): Error {
  return new Error(
    'There is no rollout in this ledger. `bellwether rollout start` begins one, with a worker running; set BELLWETHER_DATA_DIR or DATABASE_URL if its ledger is elsewhere.',
  );
}

function unknownRollout(name: string): Error {
  return new Error(`There is no rollout named ${name}. \`bellwether rollout history --rollouts\` lists them.`);
}
