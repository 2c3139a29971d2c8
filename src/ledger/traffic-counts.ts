import type { UsedTokens } from '../contract/page-ledger';
import { bucketOf, type Counts, histogram } from './user-counts';
import { Latencies } from './first-calls';

/** A call of a turn, and the turn. */
export interface TalliedCall {
  readonly turnId: string;
  readonly rollout: string | null;
  /** That admitted the turn. */
  readonly arm: string;
  readonly answeredByArm: number;
  readonly attempt: number | null;
  /** That the target belongs to. */
  readonly callArm: string | null;
  readonly target: string | null;
  readonly model: string | null;
  readonly keyId: string | null;
  readonly day: string | null;
  readonly state: string | null;
  readonly outcome: string | null;
  readonly latencyMs: number | null;
  readonly firstTokenMs: number | null;
  readonly promptTokens: number | null;
  readonly cachedPromptTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly completionTokens: number | null;
  readonly costNanoUsd: number | null;
}

const spendingDimensions = ['arm', 'model', 'key'] as const;
export type SpendingDimension = (typeof spendingDimensions)[number];

/** The key under which calls without an API key are listed, as `costsBy` does. */
const withoutKey = '(none)';

const call = 'call:';
const latency = 'latency:';
const firstToken = 'first token:';
/** Of one target: only the last hour of it is asked for, so hours leave it out. */
const ofTarget = 'target:';
/** Of a UTC day: hours leave it out, because days have it. */
const ofDay = 'day:';
const used = 'used:';

/** Adds up calls in the order of their turns. */
export class TrafficCounts {
  private readonly sums = new Map<string, Map<string, bigint>>();
  private turnId: string | undefined;
  /** The days, dimensions and keys that the turn has been counted under. */
  private counted = new Set<string>();

  add(row: TalliedCall): void {
    const key = JSON.stringify([row.rollout ?? '', row.arm]);
    const sums = this.sums.get(key) ?? new Map<string, bigint>();
    this.sums.set(key, sums);
    const add = (name: string, by: number = 1) => {
      if (by !== 0) sums.set(name, (sums.get(name) ?? 0n) + BigInt(by));
    };
    if (row.turnId !== this.turnId) {
      this.turnId = row.turnId;
      this.counted = new Set();
      add('turns');
      add('answers', row.answeredByArm);
    }
    if (row.attempt === null) return;
    if (row.attempt === 1) addFirstCall(row, add);
    addToTarget(row, add);
    addUsed(row, add);
    this.addToDay(row, add);
  }

  /** By rollout and arm; rollout '': none. */
  all(): readonly { readonly rollout: string; readonly arm: string; readonly counts: Counts }[] {
    return [...this.sums].map(([key, counts]) => {
      const [rollout = '', arm = ''] = JSON.parse(key) as string[];
      return { rollout, arm, counts };
    });
  }

  private addToDay({ callArm, model, keyId, day, state, costNanoUsd }: TalliedCall, add: Add): void {
    const keys: Readonly<Record<SpendingDimension, string>> = {
      arm: callArm ?? '',
      model: model ?? '',
      key: keyId ?? withoutKey,
    };
    for (const dimension of spendingDimensions) {
      const name = `${ofDay}${JSON.stringify([day, dimension, keys[dimension]])}`;
      if (!this.counted.has(name)) add(`${name}turns`);
      this.counted.add(name);
      if (state === 'settled') add(`${name}cost`, costNanoUsd ?? 0);
      if (state === 'unconfirmed') add(`${name}unconfirmed`, costNanoUsd ?? 0);
    }
  }
}

type Add = (name: string, by?: number) => void;

/** As in first-calls.ts. */
function isDecided({ outcome }: TalliedCall): boolean {
  return outcome !== null && outcome !== 'cancelled' && outcome !== 'budget';
}

function isTimed({ outcome }: TalliedCall): boolean {
  return outcome === 'answered' || outcome === 'timeout';
}

function addFirstCall(row: TalliedCall, add: Add): void {
  if (isDecided(row)) add(`${call}${row.outcome}`);
  if (!isTimed(row)) return;
  if (row.latencyMs !== null) add(`${latency}${bucketOf(row.latencyMs)}`);
  if (row.firstTokenMs !== null) add(`${firstToken}${bucketOf(row.firstTokenMs)}`);
}

function addToTarget(row: TalliedCall, add: Add): void {
  if (!isDecided(row)) return;
  const target = `${ofTarget}${JSON.stringify([row.target])}`;
  add(`${target}${call}${row.outcome}`);
  if (isTimed(row) && row.latencyMs !== null) add(`${target}${latency}${bucketOf(row.latencyMs)}`);
}

function addUsed(row: TalliedCall, add: Add): void {
  if (row.state !== 'settled') return;
  const name = `${used}${JSON.stringify([row.callArm, row.target, row.model])}`;
  add(`${name}prompt`, row.promptTokens ?? 0);
  add(`${name}cached`, row.cachedPromptTokens ?? 0);
  if (row.cacheWriteTokens) add(`${name}written`, row.cacheWriteTokens);
  add(`${name}completion`, row.completionTokens ?? 0);
  add(`${name}cost`, row.costNanoUsd ?? 0);
}

/** What an hour keeps of its slices. */
export function countsOfHour(counts: Counts): Counts {
  return new Map([...counts].filter(([name]) => !name.startsWith(ofTarget) && !name.startsWith(ofDay)));
}

/** First calls of turns by how they ended. */
export function callsIn(counts: Counts): ReadonlyMap<string, number> {
  const calls = [...counts].filter(([name]) => name.startsWith(call));
  return new Map(calls.map(([name, count]) => [name.slice(call.length), Number(count)]));
}

export function latenciesIn(counts: Counts, which: 'call' | 'first token'): Latencies {
  return asLatencies(counts, which === 'call' ? latency : firstToken);
}

function asLatencies(counts: Counts, prefix: string): Latencies {
  const latencies = new Latencies();
  for (const [ms, calls] of histogram(counts, prefix)) latencies.add(ms, calls);
  return latencies;
}

/** What is known of each target's calls. */
export function targetsIn(
  counts: Counts,
): ReadonlyMap<string, { readonly calls: ReadonlyMap<string, number>; readonly latencies: Latencies }> {
  const byTarget = groupedBy(counts, ofTarget);
  return new Map(
    [...byTarget].map(([[target = ''], own]) => [
      target,
      { calls: callsIn(own), latencies: asLatencies(own, latency) },
    ]),
  );
}

/** The usage of settled calls, by arm, target and model. */
export function usedIn(counts: Counts): readonly UsedTokens[] {
  return [...groupedBy(counts, used)].map(([[arm = '', target = '', model = ''], own]) => {
    const of = (name: string) => Number(own.get(name) ?? 0n);
    return {
      arm,
      target,
      model,
      promptTokens: of('prompt'),
      cachedPromptTokens: of('cached'),
      cacheWriteTokens: of('written'),
      completionTokens: of('completion'),
      costNanoUsd: of('cost'),
    };
  });
}

export interface DaySums {
  readonly day: string;
  readonly dimension: SpendingDimension;
  readonly key: string;
  readonly turns: number;
  readonly cost: number;
  readonly unconfirmed: number;
}

export function daysIn(counts: Counts): readonly DaySums[] {
  return [...groupedBy(counts, ofDay)].map(([[day = '', dimension, key = ''], own]) => {
    const of = (name: string) => Number(own.get(name) ?? 0n);
    const sums = { turns: of('turns'), cost: of('cost'), unconfirmed: of('unconfirmed') };
    return { day, dimension: dimension as SpendingDimension, key, ...sums };
  });
}

/** Counts whose names are a prefix, a JSON array and the rest, by that array. */
function groupedBy(counts: Counts, prefix: string): ReadonlyMap<readonly string[], Counts> {
  const groups = new Map<string, Map<string, bigint>>();
  for (const [name, count] of counts) {
    if (!name.startsWith(prefix)) continue;
    const end = name.lastIndexOf(']') + 1;
    const group = name.slice(prefix.length, end);
    groups.set(group, (groups.get(group) ?? new Map<string, bigint>()).set(name.slice(end), count));
  }
  return new Map([...groups].map(([group, own]) => [JSON.parse(group) as string[], own]));
}
