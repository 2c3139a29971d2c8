import { sql } from 'kysely';
import type { BaselineLimitsRequest } from '../contract/rollout-ledger';
import type {
  FaultTally,
  FrozenLimits,
  KeyFaults,
  LanguageTally,
  UserEvidence,
  UserEvidenceRequest,
} from '../contract/user-evidence';
import { quantile } from '../domain/quantile';
import { timeMs } from './clock';
import { isTimed, userOf } from './first-calls';
import { wholeRollout } from './rollout-users';
import type { LedgerDatabase } from './schema';
import { addTo, bucketOf, closedUsers, type Counts, fromJson, mostTurns, type SlowAbove, toTally } from './user-counts';

/** See `Rollouts.userEvidence`: what has been folded so far. */
export async function readUserEvidence(db: LedgerDatabase, request: UserEvidenceRequest): Promise<UserEvidence> {
  const { bake, baselineArm, canaryArm, limits } = request;
  const tallies = await readTallies(db, request);
  const largestKey = await largestKeyOf(db, request);
  const faultiestKeys = request.withFaultiestKeys === true ? await faultiestKeysOf(db, request) : [];
  const ofBake = tallies.filter((tally) => tally.bake === bake);
  const ofCanary = ofBake.filter(({ arm }) => arm === canaryArm);
  const ofRollout = tallies.filter((tally) => tally.bake === wholeRollout && tally.arm === canaryArm);
  const largestUserTurns = mostTurns(sumOf(ofCanary));
  const newest = ofCanary.flatMap(({ newestAtMs }) => (newestAtMs === null ? [] : [newestAtMs]));
  return {
    rule: 2,
    atMs: await readClock(db, request.atMs),
    bake,
    closed: closedUsers(sumOf(ofRollout)),
    ...tallyOfArms(ofBake, true),
    languages: [...new Set(ofBake.map(({ language }) => language))]
      .map((language) => ({
        language,
        ...tallyOfArms(
          ofBake.filter((tally) => tally.language === language),
          false,
        ),
      }))
      .filter((tally) => usersOf(tally) > 0)
      .toSorted((a, b) => usersOf(b) - usersOf(a) || (a.language < b.language ? -1 : 1)),
    limits,
    newestCanaryAtMs: newest.length === 0 ? null : Math.max(...newest),
    ...(largestKey && { canaryLargestKey: largestKey }),
    ...(faultiestKeys.length > 0 && { canaryFaultiestKeys: faultiestKeys }),
    ...(largestUserTurns !== undefined && { canaryLargestUserTurns: largestUserTurns }),
  };

  function tallyOfArms(of: readonly Tally[], withHistograms: boolean) {
    const tallyOf = (arm: string, slowAbove: SlowAbove) =>
      toTally(sumOf(of.filter((tally) => tally.arm === arm)), slowAbove, withHistograms);
    return {
      baseline: tallyOf(baselineArm, baselineLimits(request)),
      canary: tallyOf(canaryArm, canaryLimits(request)),
    };
  }
}

interface Tally {
  readonly bake: number;
  readonly arm: string;
  readonly language: string;
  readonly counts: Counts;
  readonly newestAtMs: number | null;
}

/** In one statement, which sees all of a fold or nothing. */
async function readTallies(db: LedgerDatabase, { rollout, bake }: UserEvidenceRequest): Promise<readonly Tally[]> {
  const rows = await db
    .selectFrom('rollout_tallies')
    .select(['bake', 'arm', 'language', 'counts', 'newest_at_ms as newestAtMs'])
    .where('rollout', '=', rollout)
    .where('bake', 'in', [wholeRollout, bake])
    .execute();
  return rows.map((row) => ({ ...row, counts: fromJson(row.counts) }));
}

async function readClock(db: LedgerDatabase, atMs: number | undefined): Promise<number> {
  // A table with one row, because both databases select from one.
  const row = await db.selectFrom('traffic_split').select(timeMs(db, atMs).as('nowMs')).executeTakeFirstOrThrow();
  return row.nowMs;
}

function sumOf(tallies: readonly Tally[]): Counts {
  const sums = new Map<string, bigint>();
  for (const { counts } of tallies) addTo(sums, counts, 1n);
  return sums;
}

function usersOf({ baseline, canary }: LanguageTally): number {
  return baseline.users + canary.users;
}

function baselineLimits({ limits, maxLatencyPercent }: UserEvidenceRequest): SlowAbove {
  return maxLatencyPercent === null ? { callMs: null, firstTokenMs: null } : limits;
}

function canaryLimits({ limits, maxLatencyPercent }: UserEvidenceRequest): SlowAbove {
  const canaryLimit = (baselineMs: number | null) =>
    maxLatencyPercent === null || baselineMs === null ? null : (baselineMs * maxLatencyPercent) / 100;
  return { callMs: canaryLimit(limits.callMs), firstTokenMs: canaryLimit(limits.firstTokenMs) };
}

function largestKeyOf(db: LedgerDatabase, { rollout, bake, canaryArm }: UserEvidenceRequest) {
  return db
    .selectFrom('rollout_key_users')
    .select(['key_id as keyId', 'users'])
    .where((eb) => eb.and({ rollout, bake, arm: canaryArm }))
    .where('users', '>', 0)
    .orderBy('users', 'desc')
    .orderBy('key_id')
    .limit(1)
    .executeTakeFirst();
}

/** Both arms' users of the keys that have the most faulty canary users, and the most whose first call failed. */
async function faultiestKeysOf(
  db: LedgerDatabase,
  { rollout, bake, baselineArm, canaryArm }: UserEvidenceRequest,
): Promise<readonly KeyFaults[]> {
  const most = (count: 'faulty_users' | 'first_call_faults') =>
    db
      .selectFrom('rollout_key_users')
      .select('key_id')
      .where((eb) => eb.and({ rollout, bake, arm: canaryArm }))
      .where(count, '>', 0)
      .orderBy(count, 'desc')
      .orderBy('key_id')
      .limit(1);
  const rows = await db
    .selectFrom('rollout_key_users')
    .select(['key_id', 'arm', 'users', 'first_calls', 'first_call_faults', 'faulty_users'])
    .where((eb) => eb.and({ rollout, bake }))
    .where((eb) => eb.or([eb('key_id', 'in', most('faulty_users')), eb('key_id', 'in', most('first_call_faults'))]))
    .execute();
  const tallyOf = (keyId: string, ofArm: string): FaultTally => {
    const row = rows.find(({ key_id, arm }) => key_id === keyId && arm === ofArm);
    return {
      users: row?.users ?? 0,
      firstCalls: row?.first_calls ?? 0,
      firstCallFaults: row?.first_call_faults ?? 0,
      faultyUsers: row?.faulty_users ?? 0,
    };
  };
  return [...new Set(rows.map(({ key_id }) => key_id))]
    .toSorted()
    .map((keyId) => ({ keyId, baseline: tallyOf(keyId, baselineArm), canary: tallyOf(keyId, canaryArm) }));
}

/** Enough for a p95 that is right within a percent or two; few enough to read within milliseconds. */
const sampledTurns = 10_000;

/** See `Rollouts.baselineLimits`. */
export async function readBaselineLimits(db: LedgerDatabase, request: BaselineLimitsRequest): Promise<FrozenLimits> {
  const { baselineArm, fromMs, toMs } = request;
  const calls = await db
    .selectFrom((eb) =>
      eb
        .selectFrom('turns')
        .select(['turn_id', 'user_id', 'session_id', 'arm', 'admitted_at_ms'])
        .where('admitted_at_ms', '>=', fromMs)
        .where('admitted_at_ms', '<', toMs)
        .orderBy('admitted_at_ms', 'desc')
        .limit(sampledTurns)
        .as('turns'),
    )
    .innerJoin('attempts', (join) =>
      join.onRef('attempts.turn_id', '=', 'turns.turn_id').on('attempts.attempt', '=', sql.lit(1)),
    )
    .where('turns.arm', '=', baselineArm)
    .where(isTimed)
    .select([userOf.as('user'), 'attempts.latency_ms as callMs', 'attempts.first_token_ms as firstTokenMs'])
    .orderBy('turns.admitted_at_ms')
    .orderBy('turns.turn_id')
    .execute();
  return { callMs: p95(firstOfUsers(calls, 'callMs')), firstTokenMs: p95(firstOfUsers(calls, 'firstTokenMs')) };
}

type TimedCall = { readonly user: string } & FrozenLimits;

/** Every user's first call that has the value, so that no user counts more than another. */
function firstOfUsers(calls: readonly TimedCall[], value: keyof FrozenLimits): readonly number[] {
  const first = new Map<string, number>();
  for (const call of calls) {
    const ms = call[value];
    if (ms !== null && !first.has(call.user)) first.set(call.user, ms);
  }
  return [...first.values()];
}

/** Fewer users say too little about one in twenty. */
const fewestUsers = 100;

/** In the buckets in which calls are compared with it. */
function p95(values: readonly number[]): number | null {
  const ms = values.length < fewestUsers ? undefined : quantile(values, 95);
  return ms === undefined ? null : bucketOf(ms);
}
