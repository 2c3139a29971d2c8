import type { MoneyPage, PageData, PageService, PageViewer, RolloutPage, TargetPage } from '../../contract/page';
import type { Ledger } from '../../contract/ledger';
import type { Policy } from '../../contract/policy';
import { readUserReport } from '../migration-report';
import type { RolloutOperator } from '../rollout-operator';
import { findRollout, type KnownRollout } from '../trail';
import { readView } from '../view';
import { armsOf } from './arms-page';
import { evidenceOf } from './evidence-page';
import { ladderOf, nowOf } from './now';
import { RolloutList } from './rollout-list';
import { RolloutTrails } from './rollout-trail';

/** What the page is read from. One for each process: what is slow to read is remembered in it. */
export interface PageParts {
  readonly ledger: Pick<Ledger, 'rollouts' | 'page'>;
  readonly operator: Pick<RolloutOperator, 'workflowNow'>;
  readonly policy: Pick<Policy, 'arms' | 'budgets'>;
  readonly service: PageService;
  readonly memory: PageMemory;
}

interface PageMemory {
  readonly list: RolloutList;
  readonly trails: RolloutTrails;
}

export function pagePartsOf(parts: Omit<PageParts, 'memory'>): PageParts {
  const { rollouts, page } = parts.ledger;
  return { ...parts, memory: { list: new RolloutList(rollouts, page), trails: new RolloutTrails(page) } };
}

export interface PageRequest {
  /** Default: the newest. */
  readonly rollout?: string | undefined;
  readonly viewer: PageViewer;
}

/** Everything that the page shows. @throws {UnknownRolloutError} */
export async function readPageData(parts: PageParts, { rollout: name, viewer }: PageRequest): Promise<PageData> {
  const { ledger, memory, service } = parts;
  const { rollouts } = ledger;
  const head = await rollouts.auditHead();
  const known = head === null && name === undefined ? null : await findRollout(rollouts, name);
  const [rollout, split, money] = await Promise.all([
    known === null ? null : readRolloutPage(parts, known),
    rollouts.split(),
    readMoney(parts),
  ]);
  return {
    atMs: await rollouts.nowMs(),
    viewer,
    service,
    rollouts: head === null ? [] : await memory.list.read(head.position, split),
    rollout,
    money,
    targets: targetsOf(parts.policy),
  };
}

async function readRolloutPage(parts: PageParts, known: KnownRollout): Promise<RolloutPage> {
  const { rollouts } = parts.ledger;
  const { spec, state } = known;
  const workflow = await parts.operator.workflowNow(spec.name);
  const [view, trail, report, head] = await Promise.all([
    readView(rollouts, known, workflow),
    parts.memory.trails.read(spec.name, state.sequence),
    spec.rule === 2 ? readUserReport(rollouts, spec, state) : null,
    rollouts.auditHead(),
  ]);
  return {
    name: spec.name,
    from: spec.baselineArm,
    to: spec.canaryArm,
    now: nowOf(view),
    ladder: ladderOf(view),
    evidence: evidenceOf(view, trail),
    arms: armsOf(spec, report, new Map()),
    audit: { rows: trail.rows, head: head ?? { position: 0, hash: '' }, verified: null },
  };
}

async function readMoney({ ledger, policy }: PageParts): Promise<MoneyPage> {
  const { day, spentNanoUsd, reservedNanoUsd } = await ledger.page.today();
  return {
    day,
    todayNanoUsd: spentNanoUsd,
    dayCapNanoUsd: policy.budgets.dayNanoUsd,
    reservedNanoUsd,
    monthlyNanoUsd: 0,
    byArm: [],
    byModel: [],
    byKey: [],
    saved: null,
  };
}

function targetsOf({ arms }: Pick<Policy, 'arms'>): readonly TargetPage[] {
  const names = [...new Set(Object.values(arms).flatMap(({ targets }) => targets.map(({ name }) => name)))];
  return names.map((name) => ({
    name,
    arms: Object.values(arms)
      .filter(({ targets }) => targets.some((target) => target.name === name))
      .map((arm) => arm.name),
    circuit: null,
    calls: 0,
    errors: [],
    latencyP50Ms: null,
    latencyP95Ms: null,
    lastSuccessAtMs: null,
  }));
}
