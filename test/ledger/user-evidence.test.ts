import * as fc from 'fast-check';
import type { Ledger } from '../../src/contract/ledger';
import type { Settlement } from '../../src/contract/turn';
import type {
  AnswerFlag,
  ExcludedWindow,
  Exposure,
  FeedbackSignal,
  UserEvidenceRequest,
} from '../../src/contract/user-evidence';
import { openLedger } from '../../src/ledger/open-ledger';
import { eventually } from '../support/eventually';
import { startTypescript } from '../support/typescript-program';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { naiveUserEvidence, type SeenCall, type SeenTurn, type Standing } from './naive-user-evidence';
import { admitRequest, noonMs, plan, reservation, reserveRequest, settled, turnRecord, wideCaps } from './requests';
import type { RunUserTurns } from './programs/run-user-turns';
import { countedByRow, expectRecount } from './recount';
import { evidenceRequest, startRollout } from './user-rollouts';
import { runUserTurn } from './user-turns';

/** Small, so that windows end, users are closed and caps are reached within a story. */
const exposure: Exposure = { userWindowMs: 100, longestCallMs: 30, maxRequestsPerUser: 2 };
const worstCaseNanoUsd = 9_000_000;
const limits = { callMs: 40, firstTokenMs: 20 };

const request = (rollout: string, over: Partial<UserEvidenceRequest>) => evidenceRequest(rollout, { limits, ...over });

const outcomes = [
  ...(['answered', 'answered', 'answered', 'timeout', 'server-error', 'malformed-response'] as const),
  ...(['bad-request', 'response-too-large', 'cancelled', 'circuit-open'] as const),
];
const flags: readonly AnswerFlag[] = ['empty', 'wrong-language'];
const signals: readonly FeedbackSignal[] = ['up', 'down', 'handoff', 'resolved'];

const ending = fc.record({
  outcome: fc.constantFrom(...outcomes),
  mayBeAskedFor: fc.boolean(),
  isUsageKnown: fc.boolean(),
  latencyMs: fc.integer({ min: 0, max: 60 }),
  firstTokenMs: fc.option(fc.integer({ min: 0, max: 40 })),
  costNanoUsd: fc.integer({ min: 0, max: worstCaseNanoUsd }),
});
type Ending = typeof ending extends fc.Arbitrary<infer Value> ? Value : never;

const turn = fc.integer({ min: 0, max: 9 });
/** Something ends this long after a user's first turn. */
const edge = fc.constantFrom(0, exposure.userWindowMs, exposure.userWindowMs + exposure.longestCallMs);
const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('admit'),
      turn,
      isRefused: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reserve'), turn, isOwn: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle'), turn, attempt: fc.constantFrom(1, 1, 2), ending }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('record'),
      turn,
      isAnswered: fc.boolean(),
      isRescued: fc.boolean(),
      flags: fc.option(fc.subarray([...flags]), { nil: undefined }),
      endings: fc.array(fc.record({ attempt: fc.constantFrom(1, 2), ending }), { maxLength: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flag'), turn, flag: fc.constant('asked-again' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('rate'), turn, signal: fc.constantFrom(...signals) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('abandon') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait'), turn, edge, earlier: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('count') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('look') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('exclude'),
      windows: fc.array(fc.record({ turn, edge, later: fc.nat(1), lengthMs: fc.integer({ min: 1, max: 60 }) }), {
        maxLength: 2,
      }),
    }),
  },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

/** Turns of few users, so that they meet each other's limits: one who changes from bake to bake, a session, and a lone turn. */
const cast = [
  ...[1, 1, 1, 2, 2, 2].map((bake) => ({ userId: 'ann', sessionId: 'one', arm: 'holysheep', bake })),
  ...[1, 1, 2].map((bake) => ({ userId: null, sessionId: 'two', arm: 'legacy', bake })),
  { userId: null, sessionId: null, arm: 'holysheep', bake: 1 },
].map((played, index) => ({
  ...played,
  language: ['zh', 'en', null][index % 3] ?? null,
  keyId: [null, 'k1', 'k2'][index % 3] ?? null,
}));

type Call = SeenCall & { readonly state: 'reserved' | Settlement['state'] };

/** What should be known of an admitted turn. */
interface Known extends Omit<SeenTurn, 'standings'> {
  readonly turnId: string;
  isAnswered: boolean;
  flags: readonly AnswerFlag[];
  feedback: FeedbackSignal | null;
  calls: Call[];
  readonly standings: Standing[];
}

const open: Call = {
  isOwn: true,
  state: 'reserved',
  outcome: null,
  mayBeAskedFor: false,
  latencyMs: 0,
  firstTokenMs: null,
  costNanoUsd: 0,
};
/** The worker died: the call may have been made. */
const lost = { state: 'unconfirmed', costNanoUsd: worstCaseNanoUsd } as const;

function settlementOf(
  attempt: number,
  { outcome, isUsageKnown, costNanoUsd, mayBeAskedFor, ...end }: Ending,
): Settlement {
  const state =
    outcome === 'answered' && isUsageKnown ? 'settled' : outcome === 'server-error' ? 'released' : 'unconfirmed';
  return settled(attempt, costNanoUsd, { ...end, state, outcome, ...(mayBeAskedFor && { mayBeAskedFor }) });
}

function ended(call: Call, end: Settlement): Call {
  const { state, outcome, mayBeAskedFor = false, latencyMs, firstTokenMs = null, costNanoUsd } = end;
  if (call.state === 'settled' || call.state === 'released') return call;
  if (call.state === 'unconfirmed' && state === 'unconfirmed') return call;
  const costs = { settled: costNanoUsd, released: 0, unconfirmed: worstCaseNanoUsd };
  return { isOwn: call.isOwn, state, outcome, mayBeAskedFor, latencyMs, firstTokenMs, costNanoUsd: costs[state] };
}

/** Plays a story on the ledger, and remembers what the ledger should know. */
class World {
  nowMs = noonMs;
  excluded: readonly ExcludedWindow[] = [];
  private readonly turns = new Map<number, Known>();

  constructor(
    private readonly ledger: Ledger,
    private readonly rollout: string,
  ) {}

  async play(one: Operation): Promise<void> {
    this.nowMs += 1;
    await this.step(one);
    for (const known of this.turns.values()) {
      const { isAnswered, flags: carried, calls } = known;
      known.standings.push({ atMs: this.nowMs, isAnswered, flags: carried, calls: [...calls] });
    }
  }

  private async step(one: Operation): Promise<void> {
    const { ledger, nowMs: atMs } = this;
    if (one.kind === 'count') await ledger.rollouts.countUsers(atMs);
    if (one.kind === 'exclude') {
      this.excluded = one.windows.map((window) => {
        const atEdgeMs = this.edgeMs(window.turn, window.edge) + window.later;
        // The window ends where a user begins, or begins where one is closed.
        return window.edge === 0
          ? { fromMs: atEdgeMs - window.lengthMs, toMs: atEdgeMs }
          : { fromMs: atEdgeMs, toMs: atEdgeMs + window.lengthMs };
      });
    }
    if (one.kind === 'exclude' || one.kind === 'look') await this.check();
    // The next operation is at the edge, or one earlier.
    if (one.kind === 'wait') this.nowMs = Math.max(atMs, this.edgeMs(one.turn, one.edge) - 1 - one.earlier);
    if (one.kind === 'abandon') {
      await ledger.postAbandonedReservations(0, atMs);
      for (const known of this.turns.values()) loseOpenCalls(known);
    }
    if (one.kind === 'admit') await this.admit(one.turn, one.isRefused);
    const known = 'turn' in one ? this.turns.get(one.turn) : undefined;
    if (known === undefined) return;
    const { turnId } = known;
    if (one.kind === 'reserve') {
      const arm = one.isOwn ? known.arm : 'another';
      const reserved = reservation(worstCaseNanoUsd, { arm });
      await ledger.reserveAttempt(reserveRequest(turnId, worstCaseNanoUsd, { reservation: reserved, atMs }));
      loseOpenCalls(known);
      known.calls.push({ ...open, isOwn: one.isOwn });
    }
    if (one.kind === 'settle' && one.attempt <= known.calls.length) {
      const settlement = settlementOf(one.attempt, one.ending);
      await ledger.settleAttempt(turnId, settlement, atMs);
      known.calls[one.attempt - 1] = ended(known.calls[one.attempt - 1]!, settlement);
    }
    if (one.kind === 'record') {
      const endings = one.endings.filter(({ attempt }) => attempt <= known.calls.length);
      const settlements = endings.map((end) => settlementOf(end.attempt, end.ending));
      const labels = one.flags && { flags: one.flags };
      const outcome = one.isAnswered ? 'answered' : 'degraded';
      const rescuedBy = one.isAnswered && one.isRescued ? 'another' : null;
      await ledger.recordTurn(turnRecord(turnId, settlements, { outcome, rescuedBy, ...labels, atMs }));
      for (const end of settlements) known.calls[end.attempt - 1] = ended(known.calls[end.attempt - 1]!, end);
      known.isAnswered = one.isAnswered && !one.isRescued;
      const askedAgain = known.flags.filter((flag) => flag === 'asked-again');
      known.flags = one.flags === undefined ? known.flags : [...one.flags, ...askedAgain];
    }
    if (one.kind === 'flag') {
      await ledger.flagAnswer(turnId, one.flag, atMs);
      known.flags = [...known.flags, one.flag];
    }
    if (one.kind === 'rate') {
      await ledger.recordFeedback({ turnId, signal: one.signal, atMs });
      known.feedback = one.signal;
    }
  }

  private edgeMs(number: number, edgeMs: number): number {
    const played = this.turns.get(number);
    const own = [...this.turns.values()].find(
      ({ user, arm, bake }) => user === played?.user && arm === played.arm && bake === played.bake,
    );
    return (own?.admittedAtMs ?? noonMs) + edgeMs;
  }

  /** For the first time, or again because the worker died. */
  private async admit(number: number, isRefused: boolean): Promise<void> {
    const { arm, bake, language, ...asked } = cast[number]!;
    const turnId = `${this.rollout} ${number}`;
    const planned = plan(reservation(worstCaseNanoUsd, { arm }), { rollout: this.rollout, bake });
    const caps = isRefused ? { ...wideCaps, dayNanoUsd: 0 } : wideCaps;
    const over = { ...asked, language, plan: () => planned, caps, atMs: this.nowMs };
    const answer = await this.ledger.admit(admitRequest(turnId, worstCaseNanoUsd, over));
    expect(answer.kind).toBe(isRefused ? 'refused' : 'admitted');
    const known = this.turns.get(number);
    if (known !== undefined) loseOpenCalls(known);
    if (isRefused) return;
    if (known !== undefined) {
      known.isAnswered = false;
      known.calls.push(open);
      return;
    }
    this.turns.set(number, {
      turnId,
      user: asked.userId ?? asked.sessionId ?? turnId,
      arm,
      bake,
      language: language ?? 'und',
      keyId: asked.keyId,
      admittedAtMs: this.nowMs,
      isAnswered: false,
      flags: [],
      feedback: null,
      calls: [open],
      standings: [],
    });
  }

  async check(): Promise<void> {
    for (const bake of [1, 2]) {
      const asked = { ...request(this.rollout, { bake, excluded: this.excluded }), atMs: this.nowMs };
      const found = await this.ledger.rollouts.userEvidence(asked);
      expect(found).toEqual(naiveUserEvidence(this.standing(), exposure, asked));
      expect(await this.ledger.rollouts.countedUserEvidence(asked)).toEqual(found);
    }
  }

  /** As of now, also in the middle of a step. */
  private standing(): readonly SeenTurn[] {
    return [...this.turns.values()];
  }
}

function loseOpenCalls(known: Known): void {
  known.calls = known.calls.map((call) => (call.state === 'reserved' ? { ...call, ...lost } : call));
}

describeOnEachDatabase('evidence by users', (databases) => {
  let opened: TestLedger;
  beforeAll(async () => {
    opened = await openTestLedger(databases);
  });
  afterAll(() => opened.close());

  test('matches a naive count of the same turns, whatever happens in whatever order', async () => {
    const { ledger } = opened;
    let runs = 0;
    const stories = fc.array(operation, { minLength: 30, maxLength: 100, size: 'max' });
    const property = fc.asyncProperty(stories, async (story) => {
      const rollout = `run ${(runs += 1)}`;
      await startRollout(ledger, rollout, exposure);
      const world = new World(ledger, rollout);
      for (const one of story) await world.play(one);
      await world.check();
      // When all users are closed.
      world.nowMs += 1_000;
      await world.check();
    });
    const numRuns = databases.name === 'SQLite' ? 40 : 12;
    await fc.assert(property, { numRuns, interruptAfterTimeLimit: 40_000 });
    expect(runs).toBeGreaterThan(1);
  });

  test('is exact when turns of the same users, in several processes’ connections, and counting meet', async () => {
    const fresh = await openTestLedger(databases);
    const ledgers = [
      fresh.ledger,
      await openLedger(fresh.database.location),
      await openLedger(fresh.database.location),
    ];
    const rollout = 'concurrent';
    await startRollout(fresh.ledger, rollout, countedByRow);
    let next = 0;
    const caller = async (ledger: Ledger): Promise<void> => {
      while (next < 240) {
        const number = (next += 1);
        await runUserTurn(ledger, { rollout, turnId: `turn-${number}`, number });
        if (number % 10 === 0) await ledger.rollouts.countUsers();
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, index) => caller(ledgers[index % 3]!)));
    await expectRecount(fresh.ledger, fresh.database, rollout);
    await Promise.all(ledgers.slice(1).map((ledger) => ledger.close()));
    if (databases.name === 'PostgreSQL') {
      const own = 'select deadlocks from pg_stat_database where datname = current_database()';
      expect(await fresh.database.query(own)).toEqual([{ deadlocks: '0' }]);
    }
    await fresh.close();
  });

  test('is exact after processes that were killed while they ran turns and counted', async () => {
    const fresh = await openTestLedger(databases);
    const rollout = 'killed';
    await startRollout(fresh.ledger, rollout, countedByRow);
    for (const name of ['first', 'second', 'third']) {
      const input: RunUserTurns = { location: fresh.database.location, rollout, name, callers: 6 };
      const program = startTypescript('ledger/programs/run-user-turns.ts', JSON.stringify(input));
      const lines = (kind: string) => program.output.stdout.split('\n').filter((line) => line === kind).length;
      try {
        await eventually('it has run and counted turns', () => lines('turn') > 30 && lines('count') > 3);
      } finally {
        program.process.kill('SIGKILL');
      }
      await program.ended;
      expect(program.output.stderr).toBe('');
    }
    await expectRecount(fresh.ledger, fresh.database, rollout);
    await fresh.close();
  });
});
