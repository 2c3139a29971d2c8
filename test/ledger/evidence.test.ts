import * as fc from 'fast-check';
import type { Settlement, TokenUsage } from '../../src/contract/turn';
import type { Ledger } from '../../src/contract/ledger';
import type { EvidenceRequest } from '../../src/contract/rollout-ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import {
  type KnownCall,
  type KnownTurn,
  naiveEvidence,
  naiveFailures,
  naiveSpending,
  naiveTotals,
} from './naive-evidence';
import { admitRequest, noonMs, plan, reservation, reserveRequest, settled, turnRecord, wideCaps } from './requests';

const worstCaseNanoUsd = 1_000;

const outcomes = [
  'answered',
  'timeout',
  'server-error',
  'rate-limited',
  'circuit-open',
  'cancelled',
  'budget',
] as const;

const callEnd = fc.record({
  outcome: fc.constantFrom(...outcomes),
  isUsageKnown: fc.boolean(),
  // Few values, so that calls share latencies.
  latencyMs: fc.constantFrom(0, 100, 101, 180, 420, 10_000),
  costNanoUsd: fc.integer({ min: 0, max: worstCaseNanoUsd }),
  promptTokens: fc.integer({ min: 0, max: 50 }),
});

const story = fc.record({
  user: fc.constantFrom('ann', 'ben', null),
  session: fc.constantFrom('one', 'two', null),
  arm: fc.constantFrom('legacy', 'holysheep'),
  bake: fc.constantFrom(1, 1, 2, null),
  isRefused: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
  startsAfterMs: fc.integer({ min: 0, max: 5 }),
  /** Null: the call is open, or, if another one follows, its process died. */
  first: fc.option(callEnd),
  second: fc.option(callEnd),
  /** Whether the second call is the other arm's. */
  isRescue: fc.boolean(),
  recorded: fc.constantFrom('answered', 'degraded', null),
});

type Story = typeof story extends fc.Arbitrary<infer Value> ? Value : never;
type CallEnd = typeof callEnd extends fc.Arbitrary<infer Value> ? Value : never;

function settlementOf(attempt: number, startedAtMs: number, end: CallEnd): Settlement {
  const { outcome, isUsageKnown, latencyMs, costNanoUsd, promptTokens } = end;
  const cachedPromptTokens = Math.min(3, promptTokens);
  const cacheWriteTokens = Math.min(2, promptTokens - cachedPromptTokens);
  const usage = { promptTokens, cachedPromptTokens, cacheWriteTokens, completionTokens: 7 };
  const isSettled = outcome === 'answered' && isUsageKnown;
  const isReleased = ['rate-limited', 'circuit-open', 'budget'].includes(outcome);
  return settled(attempt, costNanoUsd, {
    state: isSettled ? 'settled' : isReleased ? 'released' : 'unconfirmed',
    usage: isSettled ? usage : null,
    outcome,
    latencyMs,
    endedAtMs: startedAtMs + latencyMs,
  });
}

function knownCall(arm: string, target: string, startedAtMs: number, settlement: Settlement): KnownCall {
  const { state, outcome, latencyMs, endedAtMs, usage } = settlement;
  const costs = { settled: settlement.costNanoUsd, released: 0, unconfirmed: worstCaseNanoUsd };
  const tokens: TokenUsage = usage ?? { promptTokens: 0, cachedPromptTokens: 0, completionTokens: 0 };
  const known = { arm, target, model: `${target}-model`, state, outcome, latencyMs, startedAtMs, endedAtMs };
  const { cacheWriteTokens = 0 } = tokens;
  return { ...known, costNanoUsd: costs[state], ...tokens, cacheWriteTokens };
}

/** Plays a turn on the ledger, and returns what should be known of it afterwards. */
async function play(ledger: Ledger, rollout: string, turnId: string, told: Story): Promise<KnownTurn> {
  const { arm, bake, first, second, recorded } = told;
  const startedAtMs = noonMs + told.startsAfterMs;
  const user = told.user ?? told.session ?? turnId;
  const secondArm = told.isRescue ? (arm === 'legacy' ? 'holysheep' : 'legacy') : arm;
  const callTo = (target: string, ofArm = arm) =>
    reservation(worstCaseNanoUsd, { arm: ofArm, target, model: `${target}-model` });
  const countedIn = bake === null ? null : { rollout, bake };
  await ledger.admit(
    admitRequest(turnId, worstCaseNanoUsd, {
      sessionId: told.session,
      userId: told.user,
      plan: () => plan(callTo('primary'), countedIn),
      caps: told.isRefused ? { ...wideCaps, dayNanoUsd: 0 } : wideCaps,
      atMs: startedAtMs,
    }),
  );
  const turn = { turnId, user, arm, bake };
  if (told.isRefused) return { ...turn, isAdmitted: false, isAnswered: false, isRescued: false, calls: [] };

  const calls: KnownCall[] = [];
  if (first) {
    const settlement = settlementOf(1, startedAtMs, first);
    await ledger.settleAttempt(turnId, settlement);
    calls.push(knownCall(arm, 'primary', startedAtMs, settlement));
  } else {
    const open = knownCall(arm, 'primary', startedAtMs, settlementOf(1, startedAtMs, openEnd));
    calls.push({ ...open, state: second ? 'unconfirmed' : 'reserved', outcome: null, costNanoUsd: second ? 1_000 : 0 });
  }
  if (second) {
    const settlement = settlementOf(2, startedAtMs + 1, second);
    const next = { reservation: callTo('fallback', secondArm), atMs: startedAtMs + 1 };
    await ledger.reserveAttempt(reserveRequest(turnId, worstCaseNanoUsd, next));
    await ledger.settleAttempt(turnId, settlement);
    calls.push(knownCall(secondArm, 'fallback', startedAtMs + 1, settlement));
  }
  const isAnswered = recorded === 'answered';
  const isRescued = isAnswered && second !== null && told.isRescue;
  const rescuedBy = isRescued ? secondArm : null;
  if (recorded) await ledger.recordTurn(turnRecord(turnId, [], { outcome: recorded, rescuedBy }));
  return { ...turn, isAdmitted: true, isAnswered, isRescued, calls };
}

const openEnd: CallEnd = { outcome: 'timeout', isUsageKnown: false, latencyMs: 0, costNanoUsd: 0, promptTokens: 0 };

describeOnEachDatabase('evidence', (databases) => {
  let opened: TestLedger;
  beforeAll(async () => {
    opened = await openTestLedger(databases);
  });
  afterAll(() => opened.close());

  const request = (over: Partial<EvidenceRequest>): EvidenceRequest => ({
    rollout: 'november',
    bake: 1,
    baselineArm: 'legacy',
    canaryArm: 'holysheep',
    maxRequestsPerUser: 20,
    maxLatencyPercent: 110,
    atMs: noonMs + 60_000,
    ...over,
  });

  test('matches a naive count of the same turns, and so do totals and spending', async () => {
    const { ledger } = opened;
    let runs = 0;
    const asked = fc.record({
      bake: fc.constantFrom(1, 2),
      maxRequestsPerUser: fc.integer({ min: 1, max: 4 }),
      maxLatencyPercent: fc.constantFrom(null, 50, 100, 110),
    });
    // Many turns of few users, so that caps, ties and shared latencies occur in almost every run.
    const stories = fc.array(story, { minLength: 10, maxLength: 60, size: 'max' });
    const property = fc.asyncProperty(stories, asked, async (told, over) => {
      const rollout = `run ${(runs += 1)}`;
      // Ids in a different order than the turns, as real ids are random.
      const turns = await Promise.all(
        told.map((one, index) => play(ledger, rollout, `${rollout} ${(index * 7) % 61}`, one)),
      );
      const counted = turns.filter(({ bake }) => bake !== null);
      const requested = request({ rollout, ...over });
      const found = await ledger.rollouts.evidence(requested);
      const expected = naiveEvidence(counted, requested);
      expect(rounded(found)).toEqual(rounded(expected));
      expect(rounded(await ledger.rollouts.armTotals(rollout))).toEqual(rounded(naiveTotals(counted)));
      expect(await ledger.rollouts.spending(rollout)).toEqual(naiveSpending(counted));
      const failed = await ledger.rollouts.failures(rollout);
      const expectedFailures = naiveFailures(counted);
      expect(failed).toHaveLength(expectedFailures.length);
      expect(failed).toEqual(expect.arrayContaining([...expectedFailures]));
    });
    // PostgreSQL takes five times as long for each.
    const numRuns = databases.name === 'SQLite' ? 40 : 15;
    await fc.assert(property, { numRuns, interruptAfterTimeLimit: 40_000 });
    expect(runs).toBeGreaterThan(1);
  });

  test('is empty for a rollout without turns', async () => {
    const nothing = {
      turns: 0,
      users: 0,
      successes: 0,
      failures: 0,
      latencyMeanMs: null,
      latencyP95Ms: null,
      successfulTurns: 0,
      costNanoUsd: 0,
    };
    expect(await opened.ledger.rollouts.evidence(request({ rollout: 'nobody' }))).toEqual({
      atMs: noonMs + 60_000,
      bake: 1,
      canarySuccesses: 0,
      canaryFailures: 0,
      baseline: nothing,
      canary: nothing,
      canaryTimedCalls: 0,
      canarySlowCalls: 0,
      newestCanaryAtMs: null,
    });
    expect(await opened.ledger.rollouts.armTotals('nobody')).toEqual([]);
    expect(await opened.ledger.rollouts.spending('nobody')).toEqual([]);
    expect(await opened.ledger.rollouts.failures('nobody')).toEqual([]);
  });

  test('tells the API key with the most of the canary’s counted requests', async () => {
    const { ledger } = opened;
    const ask = async (keyId: string | null, userId: string, arm = 'holysheep', bake = 1) => {
      const turnId = crypto.randomUUID();
      const planned = plan(reservation(1, { arm }), { rollout: 'keys', bake });
      await ledger.admit(admitRequest(turnId, 1, { userId, keyId, plan: () => planned }));
      await ledger.recordTurn(turnRecord(turnId, [settled(1, 1)]));
    };
    for (let index = 0; index < 3; index += 1) await ask('big', `user-${index}`);
    for (let index = 0; index < 2; index += 1) await ask('small', `other-${index}`);
    await ask(null, 'nobody');
    // Beyond the cap per user, of the other arm, of another bake: none of them count.
    for (let index = 0; index < 6; index += 1) await ask('small', 'other-0');
    for (let index = 0; index < 4; index += 1) await ask('small', `third-${index}`, 'legacy');
    for (let index = 0; index < 4; index += 1) await ask('small', `fourth-${index}`, 'holysheep', 2);
    const found = await ledger.rollouts.evidence(request({ rollout: 'keys', maxRequestsPerUser: 1 }));
    expect(found).toMatchObject({ canary: { successes: 6 }, canaryLargestKey: { keyId: 'big', requests: 3 } });
  });

  test('counts a first call that fails as a failure even if the fallback succeeds', async () => {
    const { ledger } = opened;
    const rescued = {
      first: { ...openEnd, latencyMs: 10_000 as const },
      second: { ...openEnd, outcome: 'answered' as const },
    };
    const frame = {
      user: 'ann',
      session: null,
      arm: 'holysheep',
      bake: 1,
      isRefused: false,
      startsAfterMs: 0,
      isRescue: false,
    } as const;
    await play(ledger, 'rescued', 'rescued', { ...frame, ...rescued, recorded: 'answered' });
    expect(await ledger.rollouts.evidence(request({ rollout: 'rescued' }))).toMatchObject({
      canarySuccesses: 0,
      canaryFailures: 1,
      canary: { turns: 1, successes: 0, failures: 1, latencyP95Ms: 10_000, successfulTurns: 1 },
      newestCanaryAtMs: noonMs + 10_000,
    });
  });

  test('counts recent traffic by arm, including pinned users, with refused turns apart', async () => {
    const fresh = await openTestLedger(databases);
    const { ledger } = fresh;
    const admit = (turnId: string, userId: string, arm: string, atMs: number, caps = wideCaps) =>
      ledger.admit(admitRequest(turnId, 1, { userId, plan: () => plan(reservation(1, { arm })), atMs, caps }));
    await admit('old', 'ann', 'legacy', noonMs - 1);
    await admit('a', 'ann', 'legacy', noonMs);
    await admit('b', 'ann', 'legacy', noonMs + 1);
    await admit('c', 'ben', 'legacy', noonMs + 1);
    await admit('d', 'eve', 'holysheep', noonMs + 1);
    await admit('refused', 'joe', 'holysheep', noonMs + 1, { ...wideCaps, dayNanoUsd: 0 });
    expect(await ledger.rollouts.traffic(noonMs)).toEqual([
      { arm: 'holysheep', turns: 1, users: 1 },
      { arm: 'legacy', turns: 3, users: 2 },
    ]);
    await fresh.close();
  });
});

/** Means are summed in a different order, so their last digits may differ. */
function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_key, part: unknown) => (typeof part === 'number' ? round(part) : part)));
}

function round(value: number): number {
  return Number(value.toPrecision(14));
}
