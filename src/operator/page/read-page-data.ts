import { setImmediate as nextTurnOfEventLoop } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { PageData, PageService, PageViewer, RolloutPage } from '../../contract/page';
import type { ArmTraffic, PageReads } from '../../contract/page-ledger';
import type { Ledger } from '../../contract/ledger';
import type { Policy } from '../../contract/policy';
import type { UserReport } from '../../domain/rollout/user-report';
import { readUserReport } from '../migration-report';
import type { RolloutOperator } from '../rollout-operator';
import { findRollout, type KnownRollout } from '../trail';
import { type ObservedWorkflow, readView, type RolloutView } from '../view';
import { armsOf, callsOf } from './arms-page';
import { evidenceOf } from './evidence-page';
import { moneyOf, savedBy } from './money-page';
import { ladderOf, nowOf } from './now';
import { Remembered } from './remembered';
import { RolloutList } from './rollout-list';
import { RolloutTrails } from './rollout-trail';
import { targetsOf } from './targets-page';

/** What the page is read from. One for each process: what is slow to read is remembered in it. */
export interface PageParts extends PageSources {
  readonly memory: PageMemory;
}

export interface PageSources {
  readonly ledger: Pick<Ledger, 'rollouts' | 'page'>;
  readonly operator: Pick<RolloutOperator, 'workflowNow'>;
  readonly policy: Pick<Policy, 'arms' | 'budgets'>;
  readonly service: PageService;
}

/** Tallies are a few seconds late anyway. */
const tallyForMs = 5_000;
const reportForMs = 5_000;
const requestsForMs = 30_000;
const shownHours = 72;
/** An hour's last turns are final two hours after it has begun. */
const changeableHours = 3;
const wholeEveryReads = 60;
const hourMs = 60 * 60 * 1000;
/** Rollouts whose figures are remembered: those that somebody looks at. */
const rememberedRollouts = 8;

class PageMemory {
  readonly list: RolloutList;
  readonly trails: RolloutTrails;
  readonly spending;
  readonly targets;
  private readonly traffics = new LRUCache<string, Remembered<readonly ArmTraffic[]>>({ max: rememberedRollouts });
  private readonly views = new LRUCache<string, Remembered<RolloutView>>({ max: rememberedRollouts });
  private readonly reports = new LRUCache<string, Remembered<UserReport>>({ max: rememberedRollouts });

  constructor(private readonly ledger: PageSources['ledger']) {
    const { rollouts, page } = ledger;
    this.list = new RolloutList(rollouts, page);
    this.trails = new RolloutTrails(page);
    this.spending = new Remembered(tallyForMs, () => page.spendingOfToday());
    this.targets = new Remembered(tallyForMs, async () => ({
      traffic: await page.recentTargets(),
      states: await page.targetStates(),
    }));
  }

  trafficOf(rollout: string): Promise<readonly ArmTraffic[]> {
    return rememberedIn(this.traffics, rollout, tallyForMs, recentTraffic(this.ledger.page, rollout));
  }

  /** Rule 1 counts all requests of the bake anew, which takes longer with every request. */
  viewOf(known: KnownRollout, workflow: ObservedWorkflow): Promise<RolloutView> {
    const read = () => readView(this.ledger.rollouts, known, workflow);
    if (known.spec.rule === 2) return read();
    const key = JSON.stringify([known.spec.name, known.state.sequence, workflow]);
    return rememberedIn(this.views, key, requestsForMs, read);
  }

  /** By users, over all bakes; null under rule 1, which counts requests. */
  reportOf({ spec, state }: KnownRollout): Promise<UserReport> | null {
    if (spec.rule !== 2) return null;
    const key = JSON.stringify([spec.name, state.bake, state.byUsers?.excluded]);
    return rememberedIn(this.reports, key, reportForMs, () => readUserReport(this.ledger.rollouts, spec, state));
  }
}

/** After the first read, it reads only hours that may have changed. */
function recentTraffic(page: PageReads, rollout: string): () => Promise<readonly ArmTraffic[]> {
  let known: readonly ArmTraffic[] = [];
  let fromMs = 0;
  let reads = 0;
  return async () => {
    // Workers that come from a version without tallies fill earlier hours, too.
    if (reads % wholeEveryReads === 0) fromMs = 0;
    reads += 1;
    const read = await page.traffic(rollout, shownHours, fromMs);
    known = read.map((now) => {
      const before = known.find(({ arm }) => arm === now.arm)?.hours ?? [];
      const kept = before.filter((hour) => hour.fromMs < fromMs);
      return { ...now, hours: [...kept, ...now.hours.filter((hour) => hour.fromMs >= fromMs)].slice(-shownHours) };
    });
    const newestMs = Math.max(0, ...known.flatMap(({ hours }) => hours.map((hour) => hour.fromMs)));
    fromMs = Math.max(0, newestMs - changeableHours * hourMs);
    return known;
  };
}

function rememberedIn<Value>(
  cache: LRUCache<string, Remembered<Value>>,
  key: string,
  forMs: number,
  read: () => Promise<Value>,
): Promise<Value> {
  const known = cache.get(key) ?? new Remembered(forMs, read);
  cache.set(key, known);
  return known.get();
}

export function pagePartsOf(sources: PageSources): PageParts {
  return { ...sources, memory: new PageMemory(sources.ledger) };
}

export interface PageRequest {
  /** Default: the newest. */
  readonly rollout?: string | undefined;
  readonly viewer: PageViewer;
}

/** Everything that the page shows. @throws {UnknownRolloutError} */
export async function readPageData(parts: PageParts, { rollout: name, viewer }: PageRequest): Promise<PageData> {
  const { ledger, memory, policy, service } = parts;
  const { rollouts } = ledger;
  const head = await rollouts.auditHead();
  const known = head === null && name === undefined ? null : await findRollout(rollouts, name);
  const [rollout, split, spending, targets, traffic] = await Promise.all([
    known === null ? null : readRolloutPage(parts, known),
    rollouts.split(),
    memory.spending.get(),
    memory.targets.get(),
    known === null ? [] : memory.trafficOf(known.spec.name),
  ]);
  return {
    atMs: await rollouts.nowMs(),
    viewer,
    service,
    rollouts: head === null ? [] : await memory.list.read(head.position, split),
    rollout,
    money: moneyOf(spending, policy, known === null ? null : savedBy(known.spec, traffic, policy)),
    targets: targetsOf(policy, targets.traffic, targets.states),
  };
}

async function readRolloutPage(parts: PageParts, known: KnownRollout): Promise<RolloutPage> {
  const { rollouts, page } = parts.ledger;
  const { spec, state } = known;
  const workflow = await parts.operator.workflowNow(spec.name);
  await nextTurnOfEventLoop();
  const [view, trail, report, traffic, head, verified] = await Promise.all([
    parts.memory.viewOf(known, workflow),
    parts.memory.trails.read(spec.name, state.sequence),
    parts.memory.reportOf(known),
    parts.memory.trafficOf(spec.name),
    rollouts.auditHead(),
    page.verification(),
  ]);
  return {
    name: spec.name,
    from: spec.baselineArm,
    to: spec.canaryArm,
    now: nowOf(view),
    ladder: ladderOf(view),
    evidence: evidenceOf(view, trail),
    arms: armsOf(spec, report, new Map(traffic.map((one) => [one.arm, callsOf(one)]))),
    audit: {
      rows: trail.rows,
      head: head ?? { position: 0, hash: '' },
      verified: verified && { atMs: verified.atMs, isIntact: verified.isIntact, message: verified.message },
    },
  };
}
