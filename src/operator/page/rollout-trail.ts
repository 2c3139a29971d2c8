import { setImmediate as nextTurnOfEventLoop } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { AuditRowPage, EvidencePage, MeasurePage } from '../../contract/page';
import type { DecisionEntry, DecisionRow, PageReads } from '../../contract/page-ledger';
import type { RolloutEntry } from '../../contract/rollout';
import { figuresOf } from '../../domain/rollout/figures';
import { entryOf } from '../../domain/rollout/verify';
import { type Measured, measuresOf } from '../measures';

/** What the page shows of a rollout's audit trail. */
export interface RolloutTrail {
  /** The newest first. */
  readonly rows: readonly AuditRowPage[];
  /** The oldest first. */
  readonly marks: EvidencePage['marks'];
  courseOf(measured: Measured): MeasurePage['course'];
}

/** The newest rows of any kind, and as many before them that changed something: those an operator looks for. */
const keptOfEach = 100;
/** An entry has up to some 30 kB of evidence, so the event loop gets a turn after so many. */
const entriesAtOnce = 8;
const maxPoints = 160;
const maxPointsOfLanguage = 40;
/** Rollouts whose trails are remembered: those that somebody looks at. */
const rememberedRollouts = 8;

export type TrailReads = Pick<PageReads, 'newestDecisions' | 'decisionsAfter' | 'decisions'>;

/** Reads trails once, and afterwards only what has been added: rows are never changed. */
export class RolloutTrails {
  private readonly known = new LRUCache<string, KnownTrail>({ max: rememberedRollouts });

  constructor(private readonly reads: TrailReads) {}

  /** @param last the sequence number of the rollout's last decision */
  read(rollout: string, last: number): Promise<RolloutTrail> {
    const known = this.known.get(rollout) ?? new KnownTrail(this.reads, rollout);
    this.known.set(rollout, known);
    return known.read(last);
  }
}

/** The values of all measures at one analysis, by `keyOf`. */
interface Point {
  readonly atMs: number;
  readonly values: ReadonlyMap<string, number>;
}

class KnownTrail {
  private rows: readonly AuditRowPage[] = [];
  private marks: EvidencePage['marks'] = [];
  private points: readonly Point[] = [];
  private last = 0;
  private reading: Promise<RolloutTrail> | undefined;

  constructor(
    private readonly reads: TrailReads,
    private readonly rollout: string,
  ) {}

  /** Calls at the same time share one reading. */
  read(last: number): Promise<RolloutTrail> {
    if (last === this.last) return Promise.resolve(this.current());
    this.reading ??= this.catchUp(last).finally(() => (this.reading = undefined));
    return this.reading;
  }

  private async catchUp(last: number): Promise<RolloutTrail> {
    // A ledger that was restored from a backup has fewer rows than before.
    const isNear = this.last > 0 && last > this.last && last - this.last <= keptOfEach;
    if (isNear) await this.readNew();
    else await this.readAll(last);
    return this.current();
  }

  private async readNew(): Promise<void> {
    for (;;) {
      const entries = await this.reads.decisionsAfter(this.rollout, this.last, entriesAtOnce);
      for (const row of entries) this.add(row);
      if (entries.length < entriesAtOnce) return;
      await nextTurnOfEventLoop();
    }
  }

  private add(row: DecisionEntry): void {
    const entry = entryOf({ ...row, rollout: this.rollout });
    this.rows = keptRows([auditRow(row, entry), ...this.rows]);
    if (row.action !== 'wait') this.marks = [...this.marks, markOf(row)].slice(-keptOfEach);
    this.points = thinned([...this.points, ...pointsIn(entry)]);
    this.last = row.sequence;
  }

  private async readAll(last: number): Promise<void> {
    const [all, changes] = await Promise.all([
      this.reads.newestDecisions(this.rollout, 'all', keptOfEach),
      this.reads.newestDecisions(this.rollout, 'changes', keptOfEach),
    ]);
    const bySequence = new Map([...changes, ...all].map((row) => [row.sequence, row]));
    const shown = new Set(bySequence.keys());
    const newest = all[0]?.sequence ?? last;
    const sampled = new Set(evenly(newest, maxPoints));
    const points: Point[] = [];
    const rows: AuditRowPage[] = [];
    for (const some of inParts([...new Set([...shown, ...sampled])].toSorted((a, b) => a - b))) {
      for (const row of await this.reads.decisions(this.rollout, some)) {
        const entry = entryOf({ ...row, rollout: this.rollout });
        if (shown.has(row.sequence)) rows.push(auditRow(row, entry));
        if (sampled.has(row.sequence)) points.push(...pointsIn(entry));
      }
      await nextTurnOfEventLoop();
    }
    this.rows = keptRows(rows.toReversed());
    this.marks = changes.map(markOf).toReversed();
    this.points = points;
    this.last = newest;
  }

  private current(): RolloutTrail {
    const { rows, marks, points } = this;
    return { rows, marks, courseOf: (measured) => courseOf(points, measured) };
  }
}

/** So many numbers from 1 to `last`, evenly spread, with both ends. */
function evenly(last: number, count: number): readonly number[] {
  const some = Math.min(last, count);
  return Array.from({ length: some }, (_, index) => last - Math.floor((index * last) / some));
}

function inParts(sequences: readonly number[]): readonly (readonly number[])[] {
  const parts = Math.ceil(sequences.length / entriesAtOnce);
  return Array.from({ length: parts }, (_, index) =>
    sequences.slice(index * entriesAtOnce, (index + 1) * entriesAtOnce),
  );
}

/** @param rows the newest first */
function keptRows(rows: readonly AuditRowPage[]): readonly AuditRowPage[] {
  const older = rows.slice(keptOfEach).filter(({ action }) => action !== 'wait');
  return [...rows.slice(0, keptOfEach), ...older.slice(0, keptOfEach)];
}

function auditRow({ position, atMs, actor, action, reason }: DecisionRow, entry: RolloutEntry): AuditRowPage {
  return { position, atMs, actor, action, reason, figures: figuresIn(entry) };
}

function figuresIn({ spec, evidence, decision }: RolloutEntry): string {
  if (evidence === null) return '';
  const { advanceText, rates } = figuresOf(spec, evidence, percentSeen(decision.next, decision.action));
  return `${advanceText}; ${rates}`;
}

function markOf({ atMs, action, actor, reason }: DecisionRow): EvidencePage['marks'][number] {
  return { atMs, action, actor, reason };
}

function pointsIn({ spec, evidence, decision, atMs }: RolloutEntry): readonly Point[] {
  if (evidence === null) return [];
  const measured = measuresOf(spec, percentSeen(decision.next, decision.action), evidence);
  const values = measured.flatMap((one) => (one.value === null ? [] : [[keyOf(one), rounded(one.value)] as const]));
  return [{ atMs, values: new Map(values) }];
}

/** The split under which a decision's evidence was collected: the one before, if the decision changed it. */
function percentSeen(
  { percent, reached }: RolloutEntry['decision']['next'],
  action: RolloutEntry['decision']['action'],
): number {
  const changes = action === 'advance' || action === 'roll-back' || action === 'finish';
  return (changes ? reached.at(-2)?.percent : undefined) ?? percent;
}

function keyOf({ id, language }: Pick<Measured, 'id' | 'language'>): string {
  return language === null ? id : `${language} ${id}`;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Every other point goes once there are too many; the newest stays. */
function thinned(points: readonly Point[]): readonly Point[] {
  if (points.length <= maxPoints) return points;
  return points.filter((_, index) => (points.length - 1 - index) % 2 === 0);
}

function courseOf(points: readonly Point[], measured: Measured): MeasurePage['course'] {
  const key = keyOf(measured);
  const course = points.flatMap(({ atMs, values }) => {
    const value = values.get(key);
    return value === undefined ? [] : [{ atMs, value }];
  });
  const most = measured.language === null ? maxPoints : maxPointsOfLanguage;
  const every = Math.ceil(course.length / most);
  return withoutRepetitions(course.filter((_, index) => (course.length - 1 - index) % every === 0));
}

/** Where a value stays the same for long, its first and last point draw the same line. */
function withoutRepetitions(course: MeasurePage['course']): MeasurePage['course'] {
  return course.filter(({ value }, index) => value !== course[index - 1]?.value || value !== course[index + 1]?.value);
}
