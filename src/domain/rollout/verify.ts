import type { RolloutDecision, RolloutEntry, RolloutState } from '../../contract/rollout';
import type { AuditRow } from '../../contract/rollout-ledger';
import { canonicalJson } from '../canonical-json';
import { advanceRollout } from './advance-rollout';

/** The columns of an audit row that verification needs. */
export type AuditedDecision = Omit<AuditRow, 'position' | 'previousHash' | 'keyId' | 'hash'>;

/** The first row that is wrong, and why. */
export interface WrongDecision {
  readonly sequence: number;
  readonly problem: string;
}

/**
 * Recomputes every decision of one rollout from the audit trail alone: the original spec, the state after the previous
 * row, and the evidence or command recorded in the row. Null when every decision comes out the same.
 * @param rows of one rollout, ordered by position: all of them, or those that follow `before`, which is known to be right
 */
export function findWrongDecision(
  rows: readonly AuditedDecision[],
  before: AuditedDecision | null = null,
): WrongDecision | null {
  const known = before === null ? null : parse(before.entry);
  let state: RolloutState | null = known?.decision.next ?? null;
  let spec: string | null = known === null ? null : canonicalJson(known.spec);
  let sequence = before?.sequence ?? 0;
  for (const row of rows) {
    sequence += 1;
    const expected = sequence;
    const wrong = (problem: string): WrongDecision => ({ sequence: expected, problem });
    if (row.sequence !== expected)
      return wrong(`row ${expected} of the rollout is missing; row ${row.sequence} follows`);
    const entry = parse(row.entry);
    if (entry === null) return wrong('its entry is not a decision in JSON');
    spec ??= canonicalJson(entry.spec);
    if (canonicalJson(entry.spec) !== spec) return wrong('its spec differs from the one that the rollout started with');
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
  if (isSameVerdict(again, decision)) return null;
  const older = decideAgain({ spec, decision, ...withoutKeys(occasion) }, state);
  if (older !== null && isSameVerdict(older, decision)) return null;
  return `the rules give a different decision for its evidence: ${again.action} (${again.reason}), but the row says ${decision.action} (${decision.reason})`;
}

function isSameVerdict(one: RolloutDecision, other: RolloutDecision): boolean {
  return canonicalJson(comparedOf(one)) === canonicalJson(comparedOf(other));
}

/** While workers are replaced, an older one may decide on evidence that a newer one read: it knows nothing of faultiest keys. */
function withoutKeys<Occasion extends Pick<RolloutEntry, 'evidence'>>(occasion: Occasion): Occasion {
  const { evidence } = occasion;
  if (evidence === null || !('canaryFaultiestKeys' in evidence)) return occasion;
  const { canaryFaultiestKeys: _keys, ...rest } = evidence;
  return { ...occasion, evidence: rest };
}

/**
 * Under rule 1 everything. Under rule 2 what the decision does, so that a version of the rule may word its sentences, or
 * take its percentiles, otherwise than the one that wrote the row.
 */
function comparedOf(decision: RolloutDecision): unknown {
  const { action, next } = decision;
  if (next.byUsers === undefined) return decision;
  const { message: _, reached, byUsers, ...state } = next;
  const { rule, excluded, stoppedMs, stoppedAtMs, unreadAnalyses } = byUsers;
  return {
    action,
    ...state,
    reached: reached.map(({ percent, startedAtMs }) => [percent, startedAtMs]),
    byUsers: { rule, excluded, stoppedMs, stoppedAtMs, unreadAnalyses },
  };
}

/** Null when a forged entry lacks fields that the rules need. */
function decideAgain({ spec, ...occasion }: RolloutEntry, state: RolloutState | null): RolloutDecision | null {
  try {
    return advanceRollout(spec, state, occasion);
  } catch {
    return null;
  }
}

/**
 * The entry of an audit row.
 * @throws if it is not a decision
 */
export function entryOf({ rollout, sequence, entry }: AuditedDecision): RolloutEntry {
  const parsed = parse(entry);
  if (parsed !== null) return parsed;
  throw new Error(
    `Row ${sequence} of rollout ${rollout} cannot be read; \`bellwether rollout verify\` says what is wrong with it.`,
  );
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
 * A text as the audit trail's columns store it. Operators may send any text, and no text may prevent a rollback from
 * being recorded: PostgreSQL rejects NUL, and a lone surrogate would be read back differently from what was hashed. In
 * the entry's JSON both are escaped.
 */
export function storable(text: string): string {
  return text.replaceAll(/\p{Surrogate}/gu, '\u{FFFD}').replaceAll('\0', '\u{FFFD}');
}
