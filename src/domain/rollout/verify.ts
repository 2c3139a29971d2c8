import type { RolloutDecision, RolloutEntry, RolloutState } from '../../contract/rollout';
import { advanceRollout } from './advance-rollout';

/** The columns of an audit row that verification needs. `entry` is a `RolloutEntry` as JSON. */
export interface AuditedDecision {
  readonly rollout: string;
  readonly sequence: number;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly reason: string;
  readonly entry: string;
}

/** The first row that is wrong, and why. */
export interface WrongDecision {
  readonly sequence: number;
  readonly problem: string;
}

/**
 * Recomputes every decision of one rollout from the audit trail alone: the original spec, the state after the previous
 * row, and the evidence or command recorded in the row. Null when every decision comes out the same.
 * @param rows all rows of one rollout, ordered by position
 */
export function findWrongDecision(rows: readonly AuditedDecision[]): WrongDecision | null {
  let state: RolloutState | null = null;
  let spec: string | null = null;
  for (const [index, row] of rows.entries()) {
    const wrong = (problem: string): WrongDecision => ({ sequence: index + 1, problem });
    if (row.sequence !== index + 1)
      return wrong(`row ${index + 1} of the rollout is missing; row ${row.sequence} follows`);
    const entry = parse(row.entry);
    if (entry === null) return wrong('its entry is not a decision in JSON');
    spec ??= canonical(entry.spec);
    if (canonical(entry.spec) !== spec) return wrong('its spec differs from the one that the rollout started with');
    const problem: string | null = columnProblem(row, entry) ?? verdictProblem(entry, state);
    if (problem !== null) return wrong(problem);
    state = entry.decision.next;
  }
  return null;
}

/** The columns repeat parts of the entry, and both must agree. */
function columnProblem(row: AuditedDecision, { spec, decision, command, atMs }: RolloutEntry): string | null {
  const actor = command?.actor ?? (decision.action === 'start' ? spec.actor : 'bellwether');
  const expected: Omit<AuditedDecision, 'entry'> = {
    rollout: spec.name,
    sequence: decision.next.sequence,
    atMs,
    actor: storable(actor),
    action: decision.action,
    reason: storable(decision.reason),
  };
  const column = (Object.keys(expected) as (keyof typeof expected)[]).find((name) => expected[name] !== row[name]);
  return column === undefined ? null : `its ${column} differs from its entry`;
}

function verdictProblem({ spec, decision, ...occasion }: RolloutEntry, state: RolloutState | null): string | null {
  const again = decideAgain({ spec, decision, ...occasion }, state);
  if (again === null) return 'its evidence, command or spec is incomplete, so its decision cannot be recomputed';
  if (canonical(again) === canonical(decision)) return null;
  return `the rules give a different decision for its evidence: ${again.action} (${again.reason}), but the row says ${decision.action} (${decision.reason})`;
}

/** Null when a forged entry lacks fields that the rules need. */
function decideAgain({ spec, ...occasion }: RolloutEntry, state: RolloutState | null): RolloutDecision | null {
  try {
    return advanceRollout(spec, state, occasion);
  } catch {
    return null;
  }
}

/** What a row of the audit trail holds. @throws when it does not hold that */
export function entryOf({ rollout, sequence, entry }: AuditedDecision): RolloutEntry {
  const parsed = parse(entry);
  if (parsed !== null) return parsed;
  throw new Error(`Row ${sequence} of rollout ${rollout} cannot be read; \`bellwether rollout verify\` says more.`);
}

function parse(text: string): RolloutEntry | null {
  try {
    const entry = JSON.parse(text) as Partial<RolloutEntry> | null;
    const isWhole =
      isObject(entry) && isObject(entry.spec) && isObject(entry.decision) && isObject(entry.decision.next);
    return isWhole ? (entry as RolloutEntry) : null;
  } catch {
    return null;
  }
}

function isObject<T>(value: T): value is T & object {
  return typeof value === 'object' && value !== null;
}

/** JSON with sorted keys: equal values have equal texts, whatever the order of their fields. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    isObject(part) && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** The form in which the ledger stores texts that some databases reject: see `storable` in its audit trail. */
function storable(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\u{FFFD}').replaceAll('\0', '\u{FFFD}');
}
