import { setImmediate as nextTurnOfEventLoop } from 'node:timers/promises';
import { sql } from 'kysely';
import { timeMs } from './clock';
import type { LedgerDatabase, Runner } from './schema';
import { inStatements } from './statement-sizes';
import { countsOfHour, type DaySums, daysIn, type TalliedCall, TrafficCounts } from './traffic-counts';
import { addTo, type Counts, fromJson, toJson } from './user-counts';

/*
 * The operator's page shows sums over all turns of a rollout, and over those of a day. To add them up would take longer with
 * every turn. So a worker tallies turns by the minute of their admission: a slice is counted again while its turns may still
 * change, and then added, once, to its hour, its rollout and its day.
 */

export const sliceMs = 60_000;
export const hourMs = 60 * sliceMs;
/** Longer than any turn, and than its abandoned reservations stay open. Also what the page shows of targets. */
export const finalAfterMs = 60 * sliceMs;
/** Afterwards a slice is counted only once more, when it becomes final. */
const refreshedSlices = 15;
/** One process tallies at a time, but for one that takes longer than this. */
const claimedForMs = 4_000;
const tickMs = 5_000;
/** In SQLite, which works inside this process, so many turns take 2 ms (measured). */
const turnsAtOnce = 200;

interface Progress {
  readonly finalUntilMs: number;
  readonly seenUntilMs: number;
  readonly nowMs: number;
}

/** See `PageTallies.tallyTraffic`. */
export async function tallyTraffic(run: Runner, budgetMs: number, atMs?: number): Promise<void> {
  const progress = await run.change((trx) => claim(trx, atMs));
  if (progress === undefined) return;
  const endsAtMs = performance.now() + budgetMs;
  const isOver = () => performance.now() >= endsAtMs;
  await refreshSlices(run, progress, isOver);
  await finishSlices(run, progress, isOver);
}

async function claim(trx: LedgerDatabase, atMs: number | undefined): Promise<Progress | undefined> {
  const now = timeMs(trx, atMs);
  return (
    trx
      .updateTable('traffic_progress')
      .set({ tallied_at_ms: now })
      .where('id', '=', 1)
      // A clock may be set back.
      .where(sql<boolean>`abs(${now} - tallied_at_ms) >= ${claimedForMs}`)
      .returning(['final_until_ms as finalUntilMs', 'seen_until_ms as seenUntilMs', 'tallied_at_ms as nowMs'])
      .executeTakeFirst()
  );
}

/** Counts the slices that may have changed, and those that nobody has counted yet. */
async function refreshSlices(run: Runner, progress: Progress, isOver: () => boolean): Promise<void> {
  const current = sliceOf(progress.nowMs);
  const oldest = Math.max(progress.finalUntilMs, sliceOf(progress.nowMs - finalAfterMs));
  let seenUntilMs = Math.max(oldest, Math.min(progress.seenUntilMs, current));
  for (; seenUntilMs < current && !isOver(); seenUntilMs += sliceMs) await refresh(run, seenUntilMs);
  if (seenUntilMs !== progress.seenUntilMs) await setSeen(run, seenUntilMs);
  if (seenUntilMs < current) return;
  const tick = Math.floor(progress.nowMs / tickMs);
  for (let age = 0; age < refreshedSlices; age += 1) {
    const fromMs = current - age * sliceMs;
    const isDue = age < 2 || (tick - age) % (sliceMs / tickMs) === 0;
    if (isDue && fromMs >= oldest) await refresh(run, fromMs);
  }
}

export function sliceOf(atMs: number): number {
  return Math.floor(atMs / sliceMs) * sliceMs;
}

async function setSeen(run: Runner, seenUntilMs: number): Promise<void> {
  await run.change((trx) =>
    trx.updateTable('traffic_progress').set({ seen_until_ms: seenUntilMs }).where('id', '=', 1).execute(),
  );
}

async function refresh(run: Runner, fromMs: number): Promise<void> {
  const tallied = (await countSlice(run, fromMs)).all();
  if (tallied.length === 0) return;
  const rows = tallied.map(({ rollout, arm, counts }) => ({ from_ms: fromMs, rollout, arm, counts: toJson(counts) }));
  await run.change(async (trx) => {
    for (const some of inStatements(rows)) {
      await trx
        .insertInto('traffic_slices')
        .values(some)
        .onConflict((conflict) =>
          conflict.columns(['from_ms', 'rollout', 'arm']).doUpdateSet((eb) => ({ counts: eb.ref('excluded.counts') })),
        )
        .execute();
    }
  });
}

/** Adds slices, in their order, to hours and days. */
async function finishSlices(run: Runner, { finalUntilMs, nowMs }: Progress, isOver: () => boolean): Promise<void> {
  const lastMs = sliceOf(nowMs - finalAfterMs);
  let doneUntilMs = finalUntilMs;
  while (doneUntilMs < lastMs && !isOver()) {
    const nextAtMs = await run.read((db) => firstAdmissionFrom(db, doneUntilMs));
    const isEmpty = nextAtMs === null || nextAtMs >= lastMs;
    const begunMs = isEmpty ? lastMs : sliceOf(nextAtMs);
    const untilMs = isEmpty ? lastMs : begunMs + sliceMs;
    const counts = isEmpty ? new TrafficCounts() : await countSlice(run, begunMs);
    const slice = { wasUntilMs: doneUntilMs, begunMs, untilMs };
    if (!(await run.change((trx) => finish(trx, slice, counts)))) return;
    doneUntilMs = untilMs;
  }
}

export async function firstAdmissionFrom(db: LedgerDatabase, fromMs: number): Promise<number | null> {
  const row = await db
    .selectFrom('turns')
    .select('admitted_at_ms as atMs')
    .where('admitted_at_ms', '>=', fromMs)
    .orderBy('admitted_at_ms')
    .limit(1)
    .executeTakeFirst();
  return row?.atMs ?? null;
}

interface FinishedSlice {
  readonly wasUntilMs: number;
  readonly begunMs: number;
  readonly untilMs: number;
}

/** False if another process has done it. */
async function finish(
  trx: LedgerDatabase,
  { wasUntilMs, begunMs, untilMs }: FinishedSlice,
  counts: TrafficCounts,
): Promise<boolean> {
  const moved = await trx
    .updateTable('traffic_progress')
    .set({ final_until_ms: untilMs })
    .where('id', '=', 1)
    .where('final_until_ms', '=', wasUntilMs)
    .returning('id')
    .execute();
  if (moved.length === 0) return false;
  const tallied = counts.all();
  const hour = Math.floor(begunMs / hourMs) * hourMs;
  for (const { rollout, arm, counts: more } of tallied) {
    if (rollout === '') continue;
    const kept = countsOfHour(more);
    for (const fromMs of [0, hour]) await addToHour(trx, rollout, fromMs, arm, kept);
  }
  const days = tallied.flatMap((one) => daysIn(one.counts));
  for (const some of inStatements(sumOfDays(days))) await addToDays(trx, some);
  await trx.deleteFrom('traffic_slices').where('from_ms', '<', untilMs).execute();
  return true;
}

async function addToHour(
  trx: LedgerDatabase,
  rollout: string,
  fromMs: number,
  arm: string,
  more: Counts,
): Promise<void> {
  const known = await trx
    .selectFrom('traffic_hours')
    .select('counts')
    .where((eb) => eb.and({ rollout, from_ms: fromMs, arm }))
    .executeTakeFirst();
  const sums = fromJson(known?.counts ?? null);
  addTo(sums, more, 1n);
  const counts = toJson(sums);
  await trx
    .insertInto('traffic_hours')
    .values({ rollout, from_ms: fromMs, arm, counts })
    .onConflict((conflict) => conflict.columns(['rollout', 'from_ms', 'arm']).doUpdateSet({ counts }))
    .execute();
}

/** A statement may have each row once. */
export function sumOfDays(days: readonly DaySums[]): readonly DaySums[] {
  const sums = new Map<string, DaySums>();
  for (const one of days) {
    const key = JSON.stringify([one.day, one.dimension, one.key]);
    const { turns = 0, cost = 0, unconfirmed = 0 } = sums.get(key) ?? {};
    sums.set(key, {
      ...one,
      turns: turns + one.turns,
      cost: cost + one.cost,
      unconfirmed: unconfirmed + one.unconfirmed,
    });
  }
  return [...sums.values()];
}

async function addToDays(trx: LedgerDatabase, days: readonly DaySums[]): Promise<void> {
  await trx
    .insertInto('spending_days')
    .values(
      days.map(({ dimension, day, key, turns, cost, unconfirmed }) => ({
        dimension,
        day,
        key,
        turns,
        cost_nano_usd: cost,
        unconfirmed_nano_usd: unconfirmed,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(['dimension', 'day', 'key']).doUpdateSet({
        turns: sql`spending_days.turns + excluded.turns`,
        cost_nano_usd: sql`spending_days.cost_nano_usd + excluded.cost_nano_usd`,
        unconfirmed_nano_usd: sql`spending_days.unconfirmed_nano_usd + excluded.unconfirmed_nano_usd`,
      }),
    )
    .execute();
}

/** Counts the turns of one minute, a few hundred at once, so that other work of the process goes on in between. */
async function countSlice(run: Runner, fromMs: number): Promise<TrafficCounts> {
  const counts = new TrafficCounts();
  let after: SliceCall | undefined;
  for (;;) {
    const rows = await run.read((db) => callsFrom(db, fromMs, after));
    for (const row of rows) counts.add(row);
    await nextTurnOfEventLoop();
    if (new Set(rows.map(({ turnId }) => turnId)).size < turnsAtOnce) return counts;
    after = rows.at(-1);
  }
}

type SliceCall = TalliedCall & { readonly admittedAtMs: number | null };

/** The next turns of a slice with all their calls. */
function callsFrom(db: LedgerDatabase, fromMs: number, after: SliceCall | undefined): Promise<SliceCall[]> {
  const from = after?.admittedAtMs ?? fromMs;
  return db
    .selectFrom((eb) =>
      eb
        .selectFrom('turns')
        .select(['turn_id', 'rollout', 'arm', 'outcome', 'rescued_by', 'admitted_at_ms'])
        .where('admitted_at_ms', '>=', from)
        .where('admitted_at_ms', '<', fromMs + sliceMs)
        .$if(after !== undefined, (query) =>
          query.where((one) => one.or([one('admitted_at_ms', '>', from), one('turn_id', '>', after?.turnId ?? '')])),
        )
        .orderBy('admitted_at_ms')
        .orderBy('turn_id')
        .limit(turnsAtOnce)
        .as('turns'),
    )
    .leftJoin('attempts', 'attempts.turn_id', 'turns.turn_id')
    .select(['turns.turn_id as turnId', 'turns.rollout', 'turns.arm', 'turns.admitted_at_ms as admittedAtMs'])
    .select(
      sql<number>`case when turns.outcome = 'answered' and turns.rescued_by is null then 1 else 0 end`.as(
        'answeredByArm',
      ),
    )
    .select(['attempts.attempt', 'attempts.arm as callArm', 'attempts.target', 'attempts.model'])
    .select(['attempts.key_id as keyId', 'attempts.day', 'attempts.state', 'attempts.outcome'])
    .select(['attempts.latency_ms as latencyMs', 'attempts.first_token_ms as firstTokenMs'])
    .select(['attempts.prompt_tokens as promptTokens', 'attempts.cached_prompt_tokens as cachedPromptTokens'])
    .select('attempts.cache_write_tokens as cacheWriteTokens')
    .select(['attempts.completion_tokens as completionTokens', 'attempts.cost_nano_usd as costNanoUsd'])
    .orderBy('turns.admitted_at_ms')
    .orderBy('turns.turn_id')
    .orderBy('attempts.attempt')
    .execute();
}
