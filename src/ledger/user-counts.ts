import type { Selectable } from 'kysely';
import {
  answerFlags,
  type ClosedUsers,
  type ExcludedWindow,
  feedbackSignals,
  type UserTally,
} from '../contract/user-evidence';
import { flagsIn } from './labels';
import { wholeRollout } from './rollout-users';
import type { RolloutUsersTable } from './schema';

/** Exact numbers by name, without zeros: what a user's row adds to its tally, or a whole tally. */
export type Counts = ReadonlyMap<string, bigint>;

/** The columns that folding reads. */
export const countedColumns = [
  'rollout',
  'bake',
  'arm',
  'user_id',
  'language',
  'key_id',
  'first_at_ms',
  'closes_at_ms',
  'turns',
  'successes',
  'faults',
  'declined',
  'answers',
  'cost_nano_usd',
  'total_answers',
  'total_cost_nano_usd',
  'first_call',
  'first_latency_ms',
  'first_token_ms',
  'first_flags',
  'up',
  'down',
  'handoff',
  'resolved',
  'last_call_at_ms',
  'counted',
] as const;

export type UserRow = Pick<Selectable<RolloutUsersTable>, (typeof countedColumns)[number]>;

/** Up to this value, each has a bucket of its own. */
const exactUpTo = 63;
const bucketsPerDoubling = 32;

/** The upper bound of a value's bucket: at most 3% more than the value, and the value itself if it is small. */
export function bucketOf(value: number): number {
  if (value <= exactUpTo) return value;
  const width = 2 ** Math.floor(Math.log2(value)) / bucketsPerDoubling;
  return Math.ceil((value + 1) / width) * width - 1;
}

const latency = 'latency:';
const firstToken = 'first token:';
const flag = 'flag:';
const userTurns = 'turns of one user:';
const closed = 'closed:';

/** What a row adds to its tally at the given time. */
export function countsOf(row: UserRow, excluded: readonly ExcludedWindow[], atMs: number): Counts {
  if (row.turns === 0 || isExcluded(row, excluded)) return new Map();
  const isClosed = row.closes_at_ms <= atMs;
  return new Map(entriesOf(row, isClosed).flatMap(([name, count]) => (count === 0n ? [] : [[name, count]])));
}

function entriesOf(row: UserRow, isClosed: boolean): readonly (readonly [string, bigint])[] {
  const calls = row.successes + row.faults;
  if (row.bake === wholeRollout) return isClosed && calls > 0 ? [[`${closed}${calls}/${row.faults}`, 1n]] : [];
  return [
    ['users', 1n],
    ['firstCalls', one(row.first_call === 'success' || row.first_call === 'fault')],
    ['firstCallFaults', one(row.first_call === 'fault')],
    ['faultyUsers', one(row.faults > 0)],
    ['declinedUsers', one(row.declined > 0)],
    ['answeredUsers', one(row.first_flags !== null)],
    ['unhappyUsers', one(row.down + row.handoff > 0)],
    ['successes', BigInt(row.successes)],
    ['faults', BigInt(row.faults)],
    ['declined', BigInt(row.declined)],
    ['turns', BigInt(row.turns)],
    ['successfulTurns', BigInt(row.total_answers)],
    ['costNanoUsd', BigInt(row.total_cost_nano_usd)],
    [`${userTurns}${bucketOf(row.turns)}`, 1n],
    ...flagsIn(row.first_flags ?? '').map((name) => [`${flag}${name}`, 1n] as const),
    ...feedbackSignals.map((signal) => [signal, BigInt(row[signal])] as const),
    ...(row.first_latency_ms === null ? [] : [[`${latency}${bucketOf(row.first_latency_ms)}`, 1n] as const]),
    ...(row.first_token_ms === null ? [] : [[`${firstToken}${bucketOf(row.first_token_ms)}`, 1n] as const]),
    ...(isClosed ? costSums(row) : []),
  ];
}

function one(holds: boolean): bigint {
  return holds ? 1n : 0n;
}

/** Squares of micro-dollars: a sum of them is more than a number holds exactly. */
function costSums({ cost_nano_usd, answers }: UserRow): readonly (readonly [string, bigint])[] {
  const c = BigInt(Math.round(cost_nano_usd / 1000));
  const s = BigInt(answers);
  return [
    ['cost.users', 1n],
    ['cost.c', c],
    ['cost.s', s],
    ['cost.cc', c * c],
    ['cost.ss', s * s],
    ['cost.cs', c * s],
  ];
}

/** Whether anything that counts of the user can have happened within a window. */
function isExcluded({ first_at_ms, closes_at_ms }: UserRow, windows: readonly ExcludedWindow[]): boolean {
  return windows.some(({ fromMs, toMs }) => first_at_ms < toMs && closes_at_ms > fromMs);
}

/** Adds `factor` times `counts` to `sums`. */
export function addTo(sums: Map<string, bigint>, counts: Counts, factor: 1n | -1n): void {
  for (const [name, count] of counts) {
    const sum = (sums.get(name) ?? 0n) + factor * count;
    if (sum === 0n) sums.delete(name);
    else sums.set(name, sum);
  }
}

export function toJson(counts: Counts): string {
  return JSON.stringify(Object.fromEntries([...counts].map(([name, count]) => [name, String(count)])));
}

export function fromJson(json: string | null): Map<string, bigint> {
  const counts = Object.entries(JSON.parse(json ?? '{}') as Record<string, string>);
  return new Map(counts.map(([name, count]) => [name, BigInt(count)]));
}

/** Calls that are slower than these limits are slow; null: none is. */
export interface SlowAbove {
  readonly callMs: number | null;
  readonly firstTokenMs: number | null;
}

/** `withHistograms`: false leaves them out, as for languages. */
export function toTally(counts: Counts, slowAbove: SlowAbove, withHistograms: boolean): UserTally {
  const latencies = histogram(counts, latency);
  const firstTokens = histogram(counts, firstToken);
  const of = (name: string) => Number(counts.get(name) ?? 0n);
  return {
    users: of('users'),
    firstCalls: of('firstCalls'),
    firstCallFaults: of('firstCallFaults'),
    faultyUsers: of('faultyUsers'),
    declinedUsers: of('declinedUsers'),
    timedUsers: usersAbove(latencies, -1),
    slowUsers: usersAbove(latencies, slowAbove.callMs),
    spokenUsers: usersAbove(firstTokens, -1),
    slowToSpeakUsers: usersAbove(firstTokens, slowAbove.firstTokenMs),
    answeredUsers: of('answeredUsers'),
    flaggedUsers: present(answerFlags, (name) => of(`${flag}${name}`)),
    unhappyUsers: of('unhappyUsers'),
    feedback: present(feedbackSignals, of),
    cost: {
      users: of('cost.users'),
      c: of('cost.c'),
      s: of('cost.s'),
      cc: of('cost.cc'),
      ss: of('cost.ss'),
      cs: of('cost.cs'),
    },
    successes: of('successes'),
    faults: of('faults'),
    declined: of('declined'),
    turns: of('turns'),
    successfulTurns: of('successfulTurns'),
    costNanoUsd: of('costNanoUsd'),
    latencies: withHistograms ? latencies : [],
    firstTokens: withHistograms ? firstTokens : [],
  };
}

/** The most turns of one user, rounded up to its bucket; undefined without users. */
export function mostTurns(counts: Counts): number | undefined {
  return histogram(counts, userTurns).at(-1)?.[0];
}

export function closedUsers(counts: Counts): readonly ClosedUsers[] {
  const rows = [...counts].flatMap(([name, users]) => {
    if (!name.startsWith(closed)) return [];
    const [calls = 0, failed = 0] = name.slice(closed.length).split('/').map(Number);
    return [{ calls, failed, users: Number(users) }];
  });
  return rows.toSorted((a, b) => a.calls - b.calls || a.failed - b.failed);
}

type Histogram = readonly (readonly [bound: number, users: number])[];

export function histogram(counts: Counts, prefix: string): Histogram {
  const buckets = [...counts].filter(([name]) => name.startsWith(prefix));
  const rows = buckets.map(([name, users]) => [Number(name.slice(prefix.length)), Number(users)] as const);
  return rows.toSorted(([a], [b]) => a - b);
}

function usersAbove(buckets: Histogram, limit: number | null): number {
  if (limit === null) return 0;
  return buckets.reduce((sum, [bound, users]) => sum + (bound > limit ? users : 0), 0);
}

function present<Name extends string>(names: readonly Name[], of: (name: Name) => number) {
  const counted = names.map((name) => [name, of(name)] as const).filter(([, count]) => count > 0);
  return Object.fromEntries(counted) as Readonly<Partial<Record<Name, number>>>;
}
