import type { ArmTraffic, HourOfArm, TargetTraffic } from '../contract/page-ledger';
import type { LedgerDatabase, Runner } from './schema';
import { finalAfterMs, hourMs, sliceMs } from './tally-traffic';
import { callsIn, countsOfHour, latenciesIn, targetsIn, usedIn } from './traffic-counts';
import { addTo, type Counts, fromJson } from './user-counts';
import { nowMs } from './clock';

/** A slice that becomes final between two statements would be seen twice, or not at all; that is rare. */
const maxReadings = 5;

/** Reads hours or days together with the slices that are not yet in them. */
export async function withOpenSlices<Final>(
  run: Runner,
  rollout: string | null,
  readFinal: (db: LedgerDatabase) => Promise<Final>,
): Promise<{ readonly final: Final; readonly slices: readonly Slice[] }> {
  for (let reading = 1; ; reading += 1) {
    const finalUntilMs = await run.read(readFinalUntil);
    const slices = await run.read((db) => readSlices(db, finalUntilMs, rollout));
    const final = await run.read(readFinal);
    if (reading === maxReadings || finalUntilMs === (await run.read(readFinalUntil))) return { final, slices };
  }
}

async function readFinalUntil(db: LedgerDatabase): Promise<number> {
  const row = await db
    .selectFrom('traffic_progress')
    .select('final_until_ms as ms')
    .where('id', '=', 1)
    .executeTakeFirst();
  return row?.ms ?? 0;
}

export interface Slice {
  readonly fromMs: number;
  readonly arm: string;
  readonly counts: Counts;
}

async function readSlices(db: LedgerDatabase, fromMs: number, rollout: string | null): Promise<readonly Slice[]> {
  const rows = await db
    .selectFrom('traffic_slices')
    .select(['from_ms as fromMs', 'arm', 'counts'])
    .where('from_ms', '>=', fromMs)
    .$if(rollout !== null, (query) => query.where('rollout', '=', rollout ?? ''))
    .execute();
  return rows.map((row) => ({ ...row, counts: fromJson(row.counts) }));
}

/** See `PageReads.traffic`. */
export async function readTraffic(run: Runner, rollout: string, hours: number): Promise<readonly ArmTraffic[]> {
  const { final, slices } = await withOpenSlices(run, rollout, (db) => readHours(db, rollout, hours));
  const byArm = new Map<string, Map<number, Map<string, bigint>>>();
  const add = (arm: string, fromMs: number, counts: Counts) => {
    const ofArm = byArm.get(arm) ?? new Map<number, Map<string, bigint>>();
    byArm.set(arm, ofArm);
    const sums = ofArm.get(fromMs) ?? new Map<string, bigint>();
    ofArm.set(fromMs, sums);
    addTo(sums, counts, 1n);
  };
  for (const { arm, fromMs, counts } of final) add(arm, fromMs, fromJson(counts));
  for (const { arm, fromMs, counts } of slices) {
    const kept = countsOfHour(counts);
    add(arm, wholeRollout, kept);
    add(arm, Math.floor(fromMs / hourMs) * hourMs, kept);
  }
  return [...byArm]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([arm, sums]) => armTraffic(arm, sums, hours));
}

/** The hour under which all hours of a rollout are added up. */
const wholeRollout = 0;
const armsOfRollout = 2;

async function readHours(db: LedgerDatabase, rollout: string, hours: number) {
  const of = db
    .selectFrom('traffic_hours')
    .select(['from_ms as fromMs', 'arm', 'counts'])
    .where('rollout', '=', rollout);
  const whole = await of.where('from_ms', '=', wholeRollout).execute();
  const newest = await of
    .where('from_ms', '>', wholeRollout)
    .orderBy('from_ms', 'desc')
    .limit(hours * armsOfRollout)
    .execute();
  return [...whole, ...newest];
}

function armTraffic(arm: string, sums: ReadonlyMap<number, Counts>, hours: number): ArmTraffic {
  const whole = sums.get(wholeRollout) ?? new Map<string, bigint>();
  const shown = [...sums].filter(([fromMs]) => fromMs !== wholeRollout).toSorted(([one], [other]) => one - other);
  return {
    arm,
    turns: Number(whole.get('turns') ?? 0n),
    answers: Number(whole.get('answers') ?? 0n),
    calls: callsIn(whole),
    latencyP95Ms: latenciesIn(whole, 'call').p95Ms(),
    used: usedIn(whole),
    hours: shown.slice(-hours).map(([fromMs, counts]): HourOfArm => ({
      fromMs,
      turns: Number(counts.get('turns') ?? 0n),
      latencyP95Ms: latenciesIn(counts, 'call').p95Ms(),
      firstTokenP95Ms: latenciesIn(counts, 'first token').p95Ms(),
    })),
  };
}

/** See `PageReads.recentTargets`. */
export async function readRecentTargets(run: Runner): Promise<readonly TargetTraffic[]> {
  const fromMs = (await run.read(nowMs)) - finalAfterMs - sliceMs;
  const slices = await run.read((db) => readSlices(db, fromMs, null));
  const sums = new Map<string, bigint>();
  for (const { counts } of slices) addTo(sums, counts, 1n);
  return [...targetsIn(sums)].map(([target, { calls, latencies }]) => ({
    target,
    calls,
    latencyP50Ms: latencies.percentileMs(50),
    latencyP95Ms: latencies.p95Ms(),
  }));
}
