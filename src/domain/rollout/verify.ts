import type { RolloutDecision, RolloutEntry, RolloutState } from '../../contract/rollout';
import type { AuditRow } from '../../contract/rollout-ledger';
import { canonicalJson } from '../canonical-json';
import { advanceRollout } from './advance-rollout';

/** A row of the audit trail as far as verdicts go. */
export type AuditedDecision = Omit<AuditRow, 'position' | 'previousHash' | 'hash'>;

/** The first row that is wrong, and why. */
export interface WrongDecision {
  readonly sequence: number;
  readonly problem: string;
}

/**
 * Decides every row of one rollout again, from nothing but the trail: the spec it began with, the state that the row
 * before led to, and the evidence or command that the row says it saw. Null when every decision comes out the same.
 * @param rows of one rollout, in the order of their positions
 */
export function findWrongDecision(rows: readonly AuditedDecision[]): WrongDecision | null {
  let state: RolloutState | null = null;
  let spec: string | null = null;
  for (const [index, row] of rows.entries()) {
    const wrong = (problem: string): WrongDecision => ({ sequence: index + 1, problem });
    if (row.sequence !== index + 1)
      return wrong(`row ${index + 1} of the rollout is missing; row ${row.sequence} follows`);
    const entry = parse(row.entry);
    if (entry === null) return wrong('its entry is no JSON of a decision');
    spec ??= canonicalJson(entry.spec);
    if (canonicalJson(entry.spec) !== spec) return wrong('its spec is another one than the rollout began with');
    const problem: string | null = columnProblem(row, entry) ?? verdictProblem(entry, state);
    if (problem !== null) return wrong(problem);
    state = entry.decision.next;
  }
  return null;
}

/** The columns say in the table's terms what the entry says in full. */
function columnProblem(row: AuditedDecision, { spec, decision, command, atMs }: RolloutEntry): string | null {
  const actor = command?.actor ?? (decision.action === 'start' ? spec.actor : 'bellwether');
  const told: Omit<AuditedDecision, 'entry'> = {
    rollout: spec.name,
    sequence: decision.next.sequence,
    atMs,
    actor: storable(actor),
    action: decision.action,
    reason: storable(decision.reason),
  };
  const column = (Object.keys(told) as (keyof typeof told)[]).find((name) => told[name] !== row[name]);
  return column === undefined ? null : `its ${column} is not what its entry says`;
}

function verdictProblem({ spec, decision, ...occasion }: RolloutEntry, state: RolloutState | null): string | null {
  const again = decideAgain({ spec, decision, ...occasion }, state);
  if (again === null) return 'its evidence, command or spec cannot be decided on';
  if (canonicalJson(again) === canonicalJson(decision)) return null;
  return `the rules decide otherwise on what it saw: ${again.action} (${again.reason}), the row says ${decision.action} (${decision.reason})`;
}

/** Null when a forged entry lacks what the rules look at. */
function decideAgain({ spec, ...occasion }: RolloutEntry, state: RolloutState | null): RolloutDecision | null {
  try {
    return advanceRollout(spec, state, occasion);
  } catch {
    return null;
  }
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

/**
 * A text as the audit trail's columns hold it. An operator may send any text, and no text may keep a rollback from being
 * recorded: PostgreSQL takes no NUL, and half a surrogate pair would come back as something else than was hashed. The
 * entry's JSON has escapes for both.
 */
export function storable(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\u{FFFD}').replaceAll('\0', '\u{FFFD}');
}
