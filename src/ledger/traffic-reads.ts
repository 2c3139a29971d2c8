import type { ArmTraffic, HourOfArm, TargetTraffic } from '../contract/page-ledger';
import type { LedgerDatabase, Runner } from './schema';
import { finalAfterMs, hourMs, sliceMs } from './tally-traffic';
import { callsIn, countsOfHour, type DaySums, daysIn, latenciesIn, targetsIn, usedIn } from './traffic-counts';
import { addTo, type Counts, fromJson } from './user-counts';
import { nowMs } from './clock';

/** A slice that becomes final between two statements would be seen twice, or not at all; that is rare. */
const maxReadings = 5;

/** The slices of a ledger. Most do not change between two reads, so what they say is kept. */
export class OpenSlices {
  private known = new Map<string, Slice>();

  constructor(private readonly run: Runner) {}

  /** Reads hours or days together with the slices that are not yet in them. */
  async with<Final>(
    readFinal: (db: LedgerDatabase) => Promise<Final>,
  ): Promise<{ readonly finalUntilMs: number; readonly final: Final; readonly slices: readonly Slice[] }> {
    for (let reading = 1; ; reading += 1) {
      const finalUntilMs = await this.run.read(readFinalUntil);
      const slices = await this.since(finalUntilMs);
      const final = await this.run.read(readFinal);
      if (reading === maxReadings || finalUntilMs === (await this.run.read(readFinalUntil))) {
        return { finalUntilMs, final, slices };
      }
    }
  }

  async since(fromMs: number): Promise<readonly Slice[]> {
    const rows = await this.run.read((db) => readSlices(db, fromMs));
    const slices = rows.map((row) => {
      const known = this.known.get(keyOf(row));
      return known?.json === row.json ? known : toSlice(row);
    });
    this.known = new Map(slices.map((slice) => [keyOf(slice), slice]));
    return slices;
  }
}

function keyOf({ fromMs, rollout, arm }: Pick<Slice, 'fromMs' | 'rollout' | 'arm'>): string {
  return JSON.stringify([fromMs, rollout, arm]);
}

async function readFinalUntil(db: LedgerDatabase): Promise<number> {
  const row = await db
    .selectFrom('traffic_progress')
    .select('final_until_ms as ms')
    .where('id', '=', 1)
    .executeTakeFirst();
  return row?.ms ?? 0;
}

interface SliceRow {
  readonly fromMs: number;
  readonly rollout: string;
  readonly arm: string;
  readonly json: string;
}

interface Slice extends SliceRow {
  readonly counts: Counts;
  readonly days: readonly DaySums[];
}

function toSlice(row: SliceRow): Slice {
  const counts = fromJson(row.json);
  return { ...row, counts, days: daysIn(counts) };
}

function readSlices(db: LedgerDatabase, fromMs: number): Promise<SliceRow[]> {
  return db
    .selectFrom('traffic_slices')
    .select(['from_ms as fromMs', 'rollout', 'arm', 'counts as json'])
    .where('from_ms', '>=', fromMs)
    .execute();
}

/** See `PageReads.traffic`. */
export async function readTraffic(
  open: OpenSlices,
  rollout: string,
  since: { readonly fromMs: number; readonly hours: number },
): Promise<readonly ArmTraffic[]> {
  const { final, slices } = await open.with((db) => readHours(db, rollout, since));
  const byArm = new Map<string, Map<number, Map<string, bigint>>>();
  const add = (arm: string, fromMs: number, counts: Counts) => {
    const ofArm = byArm.get(arm) ?? new Map<number, Map<string, bigint>>();
    byArm.set(arm, ofArm);
    const sums = ofArm.get(fromMs) ?? new Map<string, bigint>();
    ofArm.set(fromMs, sums);
    addTo(sums, counts, 1n);
  };
  for (const { arm, fromMs, counts } of final) add(arm, fromMs, fromJson(counts));
  for (const { arm, fromMs, counts } of slices.filter((slice) => slice.rollout === rollout)) {
    const kept = countsOfHour(counts);
    add(arm, wholeRollout, kept);
    add(arm, Math.floor(fromMs / hourMs) * hourMs, kept);
  }
  return [...byArm]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([arm, sums]) => armTraffic(arm, sums, since.hours));
}

/** The hour under which all hours of a rollout are added up. */
const wholeRollout = 0;
const armsOfRollout = 2;

async function readHours(
  db: LedgerDatabase,
  rollout: string,
  { fromMs, hours }: { readonly fromMs: number; readonly hours: number },
) {
  const of = db
    .selectFrom('traffic_hours')
    .select(['from_ms as fromMs', 'arm', 'counts'])
    .where('rollout', '=', rollout);
  const whole = await of.where('from_ms', '=', wholeRollout).execute();
  const newest = await of
    .where('from_ms', '>', wholeRollout)
    .where('from_ms', '>=', fromMs)
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
export async function readRecentTargets(run: Runner, open: OpenSlices): Promise<readonly TargetTraffic[]> {
  const slices = await open.since((await run.read(nowMs)) - finalAfterMs - sliceMs);
  const sums = new Map<string, bigint>();
  for (const { counts } of slices) addTo(sums, counts, 1n);
  return [...targetsIn(sums)].map(([target, { calls, latencies }]) => ({
    target,
    calls,
    latencyP50Ms: latencies.percentileMs(50),
    latencyP95Ms: latencies.p95Ms(),
  }));
}
