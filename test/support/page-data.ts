import type { ArmPage, MoneyPage, PageData, RolloutPage, SessionPage, TargetPage } from '../../src/contract/page';
import type { RolloutEntry, TrafficSplit } from '../../src/contract/rollout';
import type { LanguageTally, UserEvidence, UserTally } from '../../src/contract/user-evidence';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { nextAnalysisAtMs } from '../../src/domain/rollout/clock';
import { reportOfUsers } from '../../src/domain/rollout/user-report';
import { armsOf, type ArmCalls } from '../../src/operator/page/arms-page';
import { evidenceOf } from '../../src/operator/page/evidence-page';
import { ladderOf, nowOf } from '../../src/operator/page/now';
import { RolloutTrails, type TrailReads } from '../../src/operator/page/rollout-trail';
import type { Liveness, RolloutView } from '../../src/operator/view';
import { closed, evenCost, tally, UserRollout, userSpec } from '../domain/rollout/given-users';
import { hourMs, startedAtMs } from '../domain/rollout/given';

/** The states of the page for which there is a sample. */
export const pageStates = [
  'no rollout',
  'progressing',
  'held',
  'paused',
  'rolled back',
  'promoting',
  'succeeded',
  'taken over',
  'unreachable',
  'overdue',
  'long names',
] as const;
export type PageState = (typeof pageStates)[number];

const operator = { name: 'ann', mayOperate: true };
export const viewerSample = { name: 'wallboard', mayOperate: false };

const languages = ['en', 'zh', 'es', 'de', 'fr', 'ja', 'pt', 'ko', 'it', 'nl', 'pl', 'und'];

/** What the page would show in that state, made by the same code as the real one, from evidence of a made-up service. */
export async function pageSample(state: PageState): Promise<PageData> {
  const rollout = state === 'no rollout' ? null : await rolloutPage(state);
  const atMs = rollout === null ? startedAtMs : samples[state as SampledState].hours * hourMs + startedAtMs;
  const earlier = {
    name: 'to-holysheep-first-try',
    from: 'legacy',
    to: 'holysheep',
    phase: 'RolledBack',
    percent: 0,
    startedAtMs: startedAtMs - 200 * hourMs,
    endedAtMs: startedAtMs - 190 * hourMs,
    message: 'carol rolled back ("answers in the wrong language").',
  } as const;
  return {
    atMs,
    viewer: operator,
    service: {
      version: '1.0.0',
      isSimulated: true,
      temporalUiUrl: 'http://127.0.0.1:8233',
      namespace: 'default',
    },
    rollouts:
      rollout === null
        ? []
        : [
            {
              name: rollout.name,
              from: rollout.from,
              to: rollout.to,
              phase: rollout.now.phase,
              percent: rollout.now.setPercent,
              startedAtMs,
              endedAtMs: rollout.ladder.endedAtMs,
              message: rollout.now.message,
            },
            earlier,
          ],
    rollout,
    money: rollout === null ? noMoney : money,
    targets: rollout === null ? idleTargets : targets,
  };
}

type SampledState = Exclude<PageState, 'no rollout'>;

interface Sample {
  /** When the page is read, after the start. */
  readonly hours: number;
  readonly play: (rollout: UserRollout) => void;
  readonly workflow?: Liveness;
  readonly splitOf?: string;
  readonly names?: { readonly name: string; readonly baselineArm: string; readonly canaryArm: string };
}

const samples: Readonly<Record<SampledState, Sample>> = {
  progressing: { hours: 19.04, play: (rollout) => follow(rollout, 19) },
  held: { hours: 22.05, play: (rollout) => (follow(rollout, 21), follow(rollout, 22, { wrongInChinese: 0.12 })) },
  paused: {
    hours: 7.3,
    play: (rollout) => {
      follow(rollout, 6.5);
      rollout.command('pause', 7, { actor: 'ann', reason: 'the provider announced maintenance until noon' });
      follow(rollout, 7.25);
    },
  },
  'rolled back': { hours: 9.4, play: (rollout) => (follow(rollout, 8), follow(rollout, 9.25, { faults: 0.4 })) },
  promoting: { hours: 74.1, play: (rollout) => follow(rollout, 74) },
  succeeded: { hours: 99, play: (rollout) => follow(rollout, 98.5) },
  'taken over': { hours: 12.1, play: (rollout) => follow(rollout, 12), splitOf: 'to-holysheep-again' },
  unreachable: { hours: 5.05, play: (rollout) => follow(rollout, 5), workflow: 'unreachable' },
  overdue: { hours: 11.5, play: (rollout) => follow(rollout, 6) },
  'long names': {
    hours: 13.05,
    play: (rollout) => {
      follow(rollout, 13);
      rollout.command('promote', 13.02, {
        actor: 'a.person.with.a.remarkably.long.name@department-of-migrations.example.com',
        reason: `https://tickets.example.com/${'migration-'.repeat(20)}`,
        force: true,
      });
    },
    names: {
      name: `rollout-${'of-everything-that-we-have-'.repeat(4)}2026`,
      baselineArm: 'legacy-provider-in-the-old-datacentre-of-the-north',
      canaryArm: 'holysheep-with-every-feature-that-was-ever-asked-for',
    },
  },
};

interface Trouble {
  /** Share of the canary's users. */
  readonly faults?: number;
  readonly wrongInChinese?: number;
}

/** Every analysis that the clock asks for; each counts what came until then. */
function follow(rollout: UserRollout, untilHours: number, trouble: Trouble = {}): void {
  rollout.follow(untilHours, (atHours) => evidenceAt(rollout, atHours, trouble));
}

const usersPerHour = 1_400;

function evidenceAt(rollout: UserRollout, atHours: number, trouble: Trouble): Partial<UserEvidence> {
  const { state, spec } = rollout;
  const atMs = startedAtMs + atHours * hourMs;
  const users = Math.round(usersPerHour * (atHours - (state.bakeStartedAtMs - startedAtMs) / hourMs));
  const held = spec.holdbackPercent ?? 0;
  const share = Math.min(state.percent, 100 - held) / 100;
  const byLanguage = languages.map((language, index): LanguageTally => {
    const part = Math.floor(users / 2 ** (index + 1));
    const wrong = language === 'zh' ? (trouble.wrongInChinese ?? 0.002) : 0.001;
    return {
      language,
      canary: usersOf(part * share, trouble.faults ?? 0.003, wrong, 1),
      baseline: usersOf(part * (1 - share), 0.04, 0.001, 9),
    };
  });
  const sum = (arm: 'canary' | 'baseline') => byLanguage.map((one) => one[arm]).reduce(added);
  const closedUsers = Math.max(0, Math.round((atHours - 1.2) * usersPerHour * 0.1));
  return {
    closed: closed(closedUsers, Math.round(closedUsers * 0.003)),
    languages: byLanguage.filter(({ canary, baseline }) => canary.users + baseline.users > 0),
    canary: sum('canary'),
    baseline: sum('baseline'),
    newestCanaryAtMs: atMs - 12_000,
    canaryLargestKey: { keyId: 'k_3f9d2c', users: Math.round(users * share * 0.3) },
  };
}

function usersOf(exactUsers: number, faultShare: number, wrongShare: number, costFactor: number): UserTally {
  const users = Math.round(exactUsers);
  const faults = Math.round(users * faultShare);
  const [up, down] = [Math.round(users * 0.08), Math.round(users * 0.012)];
  const wrong = Math.round(users * wrongShare);
  const empty = Math.round(users * 0.0008);
  return tally(users, {
    firstCallFaults: faults,
    faultyUsers: faults,
    declinedUsers: Math.round(users * 0.004),
    slowUsers: Math.round(users * 0.03),
    slowToSpeakUsers: Math.round(users * 0.03),
    answeredUsers: users - faults,
    flaggedUsers: { ...(wrong > 0 && { 'wrong-language': wrong }), ...(empty > 0 && { empty }) },
    unhappyUsers: down,
    feedback: { up, down },
    cost: evenCost(users, 600 * costFactor),
    turns: users * 3,
    successfulTurns: (users - faults) * 3,
    costNanoUsd: users * 3 * 600_000 * costFactor,
    successes: users - faults,
    faults,
  });
}

function added(one: UserTally, other: UserTally): UserTally {
  const sums = Object.entries(one).map(([name, value]) => [name, addedValue(value, other[name as keyof UserTally])]);
  return Object.fromEntries(sums) as UserTally;
}

function addedValue(one: unknown, other: unknown): unknown {
  if (typeof one === 'number') return one + (other as number);
  if (Array.isArray(one)) return one;
  const [a, b] = [one, other] as Record<string, number>[];
  return Object.fromEntries(
    [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])].map((key) => [
      key,
      (a?.[key] ?? 0) + (b?.[key] ?? 0),
    ]),
  );
}

async function rolloutPage(state: SampledState): Promise<RolloutPage> {
  const { hours, play, workflow = 'running', splitOf, names } = samples[state];
  const freeze = { fromMs: startedAtMs + 40 * hourMs, toMs: startedAtMs + 46 * hourMs };
  const spec = userSpec({ intervalMs: hourMs / 4, languages: ['zh', 'es'], freezeWindows: [freeze], ...names });
  const rollout = new UserRollout(spec);
  play(rollout);
  const view = viewOf(rollout, startedAtMs + hours * hourMs, workflow, splitOf);
  const reads = readsOf(rollout.entries);
  const trail = await new RolloutTrails(reads).read(spec.name, rollout.state.sequence);
  const bakes = bakesIn(rollout.entries);
  const calls = new Map([
    [spec.baselineArm, callsOf(bakes, 'baseline', hours, 540)],
    [spec.canaryArm, callsOf(bakes, 'canary', hours, 210)],
  ]);
  return {
    name: spec.name,
    from: spec.baselineArm,
    to: spec.canaryArm,
    now: nowOf(view),
    ladder: ladderOf(view),
    evidence: evidenceOf(view, trail),
    arms: armsOf(spec, reportOfUsers(bakes), calls),
    audit: {
      rows: trail.rows,
      head: { position: trail.rows[0]?.position ?? 0, hash: '9f86d081884c7d65'.repeat(4) },
      verified:
        state === 'paused'
          ? { atMs: view.atMs - hourMs / 2, isIntact: false, message: 'Row 17 (decision 17): it was altered.' }
          : { atMs: view.atMs - hourMs / 2, isIntact: true, message: '76 rows of 2 rollouts are intact.' },
    },
  };
}

function viewOf(rollout: UserRollout, atMs: number, workflow: Liveness, splitOf?: string): RolloutView {
  const { spec, state, entries } = rollout;
  const isUnderWay = splitOf === undefined && state.endedAtMs === null;
  const last = bakesIn(entries).at(-1);
  const evidence = isUnderWay && last?.bake === state.bake ? { ...last, atMs } : null;
  const split: TrafficSplit = {
    rollout: splitOf ?? spec.name,
    baselineArm: spec.baselineArm,
    canaryArm: spec.canaryArm,
    percent: state.percent,
    bake: state.bake,
    active: isUnderWay,
    rescue: true,
    salt: null,
  };
  const canaryTurns = Math.round(4.2 * state.percent * 1.03);
  return {
    atMs,
    spec,
    state,
    split,
    traffic: [
      { arm: spec.canaryArm, turns: canaryTurns, users: canaryTurns },
      { arm: spec.baselineArm, turns: 420 - canaryTurns, users: 420 - canaryTurns },
    ].filter(({ turns }) => turns > 0),
    trafficSinceMs: atMs - 5 * 60_000,
    evidence,
    outlook: evidence === null ? null : advanceRollout(spec, state, { atMs, evidence, command: null }),
    workflow,
    recordingFailure: null,
    analysisDueAtMs: isUnderWay ? nextAnalysisAtMs(spec, state, entries.at(-1)?.atMs ?? startedAtMs) : null,
  };
}

/** The last evidence of every bake. */
function bakesIn(entries: readonly RolloutEntry[]): readonly UserEvidence[] {
  const bakes = new Map<number, UserEvidence>();
  for (const { evidence } of entries) if (evidence !== null && 'rule' in evidence) bakes.set(evidence.bake, evidence);
  return [...bakes.values()];
}

function readsOf(entries: readonly RolloutEntry[]): TrailReads {
  const rows = entries.map((entry, index) => ({
    position: index + 5,
    sequence: index + 1,
    atMs: entry.atMs,
    actor: entry.command?.actor ?? (index === 0 ? entry.spec.actor : 'bellwether'),
    action: entry.decision.action,
    reason: entry.decision.reason,
    entry: JSON.stringify(entry),
  }));
  const newest = rows.toReversed();
  const of = <Row>(some: readonly Row[]) => Promise.resolve(some);
  return {
    newestDecisions: (_, which, limit) =>
      of(newest.filter(({ action }) => which === 'all' || action !== 'wait').slice(0, limit)),
    decisionsAfter: (_, sequence, limit) => of(rows.filter((row) => row.sequence > sequence).slice(0, limit)),
    decisions: (_, sequences) => of(rows.filter(({ sequence }) => sequences.includes(sequence))),
  };
}

function callsOf(
  bakes: readonly UserEvidence[],
  arm: 'baseline' | 'canary',
  hours: number,
  latencyMs: number,
): ArmCalls {
  const turns = bakes.reduce((sum, bake) => sum + bake[arm].turns, 0);
  const faults = bakes.reduce((sum, bake) => sum + bake[arm].firstCallFaults, 0);
  const failures: ArmPage['failures'] = [
    { outcome: 'timeout', calls: Math.ceil(faults * 0.6) },
    { outcome: 'rate-limited', calls: Math.ceil(faults * 0.3) },
    { outcome: 'server-error', calls: Math.floor(faults * 0.1) },
  ];
  const started = Math.floor(startedAtMs / hourMs);
  const shown = Math.min(72, Math.ceil(hours));
  return {
    turns,
    failures: failures.filter(({ calls }) => calls > 0),
    latencyP95Ms: turns === 0 ? null : latencyMs,
    tokensPerAnswer: turns === 0 ? null : arm === 'canary' ? 187.4 : 201.9,
    hours: Array.from({ length: shown }, (_, index) => {
      const hour = Math.ceil(hours) - shown + index;
      const wave = 1 + 0.2 * Math.sin(hour / 3.8);
      return {
        fromMs: (started + hour) * hourMs,
        turns: Math.round((turns / shown) * wave),
        latencyP95Ms: Math.round(latencyMs * wave),
        firstTokenP95Ms: arm === 'canary' || hour % 9 !== 4 ? Math.round((latencyMs / 4) * wave) : null,
      };
    }),
  };
}

const usd = 1_000_000_000;

const noMoney: MoneyPage = {
  day: '2026-01-05',
  todayNanoUsd: 0,
  dayCapNanoUsd: 100 * usd,
  reservedNanoUsd: 0,
  monthlyNanoUsd: 0,
  byArm: [],
  byModel: [],
  byKey: [],
  saved: null,
  uncountedFromMs: null,
};

const money: MoneyPage = {
  ...noMoney,
  todayNanoUsd: 41.327 * usd,
  reservedNanoUsd: 0.214 * usd,
  monthlyNanoUsd: 1_311 * usd,
  byArm: [
    { name: 'legacy', turns: 61_210, costNanoUsd: 37.4 * usd, unconfirmedNanoUsd: 0.31 * usd },
    { name: 'holysheep', turns: 7_011, costNanoUsd: 3.617 * usd, unconfirmedNanoUsd: 0 },
  ],
  byModel: [
    { name: 'gpt-4.1', turns: 58_007, costNanoUsd: 36.1 * usd, unconfirmedNanoUsd: 0.31 * usd },
    { name: 'deepseek-v3.2', turns: 6_904, costNanoUsd: 3.5 * usd, unconfirmedNanoUsd: 0 },
    { name: 'gpt-4.1-mini', turns: 3_310, costNanoUsd: 1.417 * usd, unconfirmedNanoUsd: 0 },
  ],
  byKey: [
    { name: 'shop', turns: 55_330, costNanoUsd: 31.9 * usd, unconfirmedNanoUsd: 0.2 * usd },
    { name: 'helpdesk', turns: 12_891, costNanoUsd: 9.117 * usd, unconfirmedNanoUsd: 0.11 * usd },
  ],
  saved: { withoutNanoUsd: 32.553 * usd, withNanoUsd: 3.617 * usd },
};

const idleTargets: readonly TargetPage[] = [
  ['legacy-primary', 'legacy'],
  ['holysheep-primary', 'holysheep'],
  ['holysheep-fallback', 'holysheep'],
].map(([name = '', arm = '']) => ({
  name,
  arms: [arm],
  circuit: null,
  calls: 0,
  errors: [],
  latencyP50Ms: null,
  latencyP95Ms: null,
  lastSuccessAtMs: null,
}));

const targets: readonly TargetPage[] = idleTargets.map((target, index) => ({
  ...target,
  circuit: (['half-open', 'closed', 'open'] as const)[index] ?? null,
  calls: [1_260, 140, 3][index] ?? 0,
  errors: [
    [
      { outcome: 'timeout', calls: 31 },
      { outcome: 'server-error', calls: 12 },
    ],
    [],
    [{ outcome: 'network-error', calls: 3 }],
  ][index]!,
  latencyP50Ms: [310, 140, null][index] ?? null,
  latencyP95Ms: [560, 210, null][index] ?? null,
  lastSuccessAtMs: index === 2 ? null : startedAtMs + 5 * hourMs,
}));

export const sessionSample: SessionPage = {
  id: 'session-4711',
  costNanoUsd: 1_204_000,
  turns: [
    {
      turn: 't-3',
      atMs: startedAtMs + 3 * 60_000,
      arm: 'holysheep',
      target: null,
      outcome: 'degraded',
      language: 'zh',
      flags: [],
      feedback: 'down',
      attempts: 4,
      latencyMs: 41_080,
      promptTokens: 0,
      completionTokens: 0,
      costNanoUsd: 0,
      workflowUrl: 'http://127.0.0.1:8233/namespaces/default/workflows/conversation%2Fsession-4711',
    },
    {
      turn: 't-2',
      atMs: startedAtMs + 2 * 60_000,
      arm: 'holysheep',
      target: 'holysheep-primary',
      outcome: 'answered',
      language: 'zh',
      flags: ['wrong-language', 'asked-again'],
      feedback: null,
      attempts: 1,
      latencyMs: 188,
      promptTokens: 412,
      completionTokens: 96,
      costNanoUsd: 214_000,
      workflowUrl: null,
    },
    {
      turn: 't-1',
      atMs: startedAtMs + 60_000,
      arm: 'holysheep',
      target: 'holysheep-fallback',
      outcome: 'answered',
      language: null,
      flags: [],
      feedback: 'up',
      attempts: 2,
      latencyMs: 1_930,
      promptTokens: 210,
      completionTokens: 301,
      costNanoUsd: 990_000,
      workflowUrl: null,
    },
  ],
};
