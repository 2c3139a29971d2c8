import type { CostSums } from '../../contract/user-evidence';

/** A source of random numbers from 0 to 1, excluding 1. */
export type Random = () => number;

/**
 * The random numbers of one run: the same for the same seed and run, whichever thread simulates it. sfc32 has a state of
 * 128 bits, so that the sequences of 100,000 runs, of a million numbers each, do not overlap.
 */
export function randomOfRun(seed: string, run: number): Random {
  let [a, b, c, counter] = [hash(`${seed}/a`), hash(`${seed}/b`), run | 0, 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // Seeds that differ in one bit give unrelated numbers after twelve steps.
  for (let step = 0; step < 15; step += 1) next();
  return next;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value;
}

/**
 * Independent trials that each come out with the same small chance. It jumps from one event to the next, so that many
 * trials without an event cost nothing, and counts are exactly binomial.
 */
export class RareEvents {
  private chance = 0;
  private logMiss = 0;
  private missesToCome = Infinity;

  constructor(
    private readonly random: Random,
    chance: number,
  ) {
    this.setChance(chance);
  }

  /** Changing the chance keeps the trials independent: what was to come is drawn anew. */
  setChance(chance: number): void {
    if (chance === this.chance) return;
    this.chance = chance;
    this.logMiss = Math.log1p(-chance);
    this.missesToCome = this.drawMisses();
  }

  /** How many of the next `trials` come out. */
  countIn(trials: number): number {
    let events = 0;
    let left = trials;
    while (this.missesToCome < left) {
      left -= this.missesToCome + 1;
      events += 1;
      this.missesToCome = this.drawMisses();
    }
    this.missesToCome -= left;
    return events;
  }

  /** Trials until the next event, of which the next one is 0. */
  get untilNext(): number {
    return this.missesToCome;
  }

  private drawMisses(): number {
    if (this.chance <= 0) return Infinity;
    return this.chance >= 1 ? 0 : Math.floor(Math.log(1 - this.random()) / this.logMiss);
  }
}

/** The standard normal distribution, from two random numbers (Box–Muller). */
function drawNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** The chance that a standard normal number exceeds `z`, to seven digits (Abramowitz and Stegun 26.2.17). */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const series = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * series;
}

/** How many different costs there are for users with the same number of requests. */
const costsInTable = 8192;
const medianMicroUsd = 1000;

/**
 * What answered calls of users cost, in micro-dollars: log-normal, with an effect of the user's own. `spread` has the
 * standard deviations of the logarithms. Both arms draw from the same finite tables, so that arms alike cost exactly the
 * same on average.
 */
export class CostDrawer {
  private readonly tables: Float64Array[] = [];

  constructor(
    private readonly spread: CostSpread,
    private readonly random: Random,
  ) {}

  /** Adds users with as many answered calls each, at a multiple of the usual costs. */
  add(counter: CostCounter, calls: number, users: number, factor: number): void {
    const table = (this.tables[calls] ??= costTable(calls, this.spread));
    let sum = 0;
    let squares = 0;
    for (let user = 0; user < users; user += 1) {
      const cost = table[Math.floor(this.random() * costsInTable)] as number;
      sum += cost;
      squares += cost * cost;
    }
    counter.users += users;
    counter.c += factor * sum;
    counter.s += users * calls;
    counter.cc += factor * factor * squares;
    counter.ss += users * calls * calls;
    counter.cs += factor * sum * calls;
  }
}

/** Sums that are still growing. */
export class CostCounter implements CostSums {
  users = 0;
  c = 0;
  s = 0;
  cc = 0;
  ss = 0;
  cs = 0;

  addAll(sums: CostSums): void {
    this.users += sums.users;
    this.c += sums.c;
    this.s += sums.s;
    this.cc += sums.cc;
    this.ss += sums.ss;
    this.cs += sums.cs;
  }
}

interface CostSpread {
  readonly users: number;
  readonly requests: number;
}

/** Made once a process: it takes longer than a run. */
const knownTables = new Map<string, Float64Array>();

function costTable(calls: number, spread: CostSpread): Float64Array {
  const name = `${calls} ${spread.users} ${spread.requests}`;
  const known = knownTables.get(name);
  if (known !== undefined) return known;
  const random = randomOfRun('costs', calls);
  const table = Float64Array.from({ length: costsInTable }, () => {
    const user = Math.exp(spread.users * drawNormal(random));
    let sum = 0;
    for (let call = 0; call < calls; call += 1) sum += user * Math.exp(spread.requests * drawNormal(random));
    return Math.round(medianMicroUsd * sum);
  });
  knownTables.set(name, table);
  return table;
}
