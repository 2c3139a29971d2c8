import type { RolloutEntry, RolloutSpec, RolloutState } from '../contract/rollout';
import type { AuditRow, Rollouts } from '../contract/rollout-ledger';
import { entryOf } from '../domain/rollout/verify';
import { isoTime, phaseShown } from './view';

/** A rollout as the audit trail records it, whatever the state of its workflow. */
export interface KnownRollout {
  readonly spec: RolloutSpec;
  readonly state: RolloutState;
  readonly last: RolloutEntry;
}

/** One decision of the trail, with the state before it. */
export interface TrailEntry extends RolloutEntry {
  readonly row: AuditRow;
  /** Null before the first. */
  readonly before: RolloutState | null;
}

/** The named rollout, or the most recent one. @throws when there is none */
export async function findRollout(rollouts: Rollouts, name: string | undefined): Promise<KnownRollout> {
  const row = await rollouts.lastAuditRow(name);
  if (row === null) throw name === undefined ? noRolloutYet() : new UnknownRolloutError(name);
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

/** For scripts. */
export function trailEntryAsJson({ row, before, decision, command }: TrailEntry): object {
  return {
    sequence: row.sequence,
    position: row.position,
    at: isoTime(row.atMs),
    actor: row.actor,
    action: row.action,
    phase: decision.next.phase,
    percent_before: before?.percent ?? null,
    percent: decision.next.percent,
    reason: row.reason,
    missing: decision.missing,
    command,
    hash: row.hash,
  };
}

/** One row of the list of rollouts, with the field names of the JSON output. */
export interface ListedRollout {
  readonly rollout: string;
  readonly from: string;
  readonly to: string;
  /** `TakenOver` if it had not ended when another rollout took its traffic. */
  readonly phase: ReturnType<typeof phaseShown>;
  readonly percent: number;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly started_by: string;
}

/** All rollouts that ever started, oldest first. */
export async function listRollouts(rollouts: Rollouts): Promise<readonly ListedRollout[]> {
  const split = await rollouts.split();
  const listed = new Map<string, { readonly first: RolloutEntry; readonly last: RolloutEntry }>();
  for (const row of await rollouts.auditTrail()) {
    const entry = entryOf(row);
    listed.set(row.rollout, { first: listed.get(row.rollout)?.first ?? entry, last: entry });
  }
  return [...listed.values()].map(({ first, last: { spec, decision } }) => ({
    rollout: spec.name,
    from: spec.baselineArm,
    to: spec.canaryArm,
    phase: phaseShown({ spec, state: decision.next, split }),
    percent: decision.next.percent,
    started_at: isoTime(first.atMs),
    ended_at: decision.next.endedAtMs === null ? null : isoTime(decision.next.endedAtMs),
    started_by: spec.actor,
  }));
}

function noRolloutYet(): Error {
  return new Error(
    'There is no rollout in this ledger. Start one with `bellwether rollout start` while a worker is running; set BELLWETHER_DATA_DIR or DATABASE_URL if its ledger is elsewhere.',
  );
}

/** No rollout of the ledger has this name. */
export class UnknownRolloutError extends Error {
  override readonly name = 'UnknownRolloutError';

  constructor(rollout: string) {
    super(`There is no rollout named ${rollout}. \`bellwether rollout history --rollouts\` lists them.`);
  }
}
