import { randomUUID } from 'node:crypto';
import type { Ledger } from '../../src/contract/ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { admitRequest, noonMs, plan, reservation, settled, turnRecord, wideCaps } from './requests';
import { defaultArm, entry } from './rollout-entries';
import { admitTurn, evidenceRequest, playTurn, readEvidence, startRollout } from './user-rollouts';

const minuteMs = 60_000;

describeOnEachDatabase('the users of a rollout', (databases) => {
  let opened: TestLedger;
  let ledger: Ledger;
  let rollout: string;
  beforeAll(async () => {
    opened = await openTestLedger(databases);
    ledger = opened.ledger;
  });
  afterAll(() => opened.close());
  beforeEach(async () => {
    rollout = randomUUID();
    await startRollout(ledger, rollout);
  });

  const userRows = (ofRollout = rollout) =>
    opened.database.query(`select user_id from rollout_users where rollout = '${ofRollout}'`);

  test('hundreds of failures of one user are one faulty user, with as many failed calls as count', async () => {
    for (let index = 0; index < 20; index += 1) {
      const turns = Array.from({ length: 10 }, () =>
        playTurn(ledger, { rollout, atMs: noonMs + index }, 'server-error'),
      );
      await Promise.all(turns);
    }
    const { canary, closed } = await readEvidence(ledger, rollout, { atMs: noonMs + 100 * minuteMs });
    expect(canary).toMatchObject({
      users: 1,
      firstCalls: 1,
      firstCallFaults: 1,
      faultyUsers: 1,
      faults: 20,
      turns: 200,
    });
    expect(closed).toEqual([{ calls: 20, failed: 20, users: 1 }]);
  });

  test('a user’s calls count until the window ends, and from the next bake on again', async () => {
    const last = noonMs + 60 * minuteMs;
    await playTurn(ledger, { rollout, atMs: noonMs }, 'server-error');
    await playTurn(ledger, { rollout, atMs: last - 1 });
    await playTurn(ledger, { rollout, atMs: last });
    await playTurn(ledger, { rollout, atMs: last + 1, bake: 2 });
    const atMs = noonMs + 150 * minuteMs;
    expect(await readEvidence(ledger, rollout, { atMs })).toMatchObject({
      canary: { users: 1, successes: 1, faults: 1, turns: 3, cost: { users: 1, s: 1 } },
      closed: [{ calls: 2, failed: 1, users: 1 }],
    });
    const second = await readEvidence(ledger, rollout, { atMs, bake: 2 });
    expect(second).toMatchObject({ canary: { users: 1, successes: 1, faults: 0 }, closed: [{ calls: 2, failed: 1 }] });
  });

  test('an outcome that comes after the user is closed no longer counts, but its cost does in the totals', async () => {
    const turnId = await admitTurn(ledger, { rollout, atMs: noonMs });
    await ledger.settleAttempt(turnId, settled(1, 400), noonMs + 70 * minuteMs);
    const { canary, closed } = await readEvidence(ledger, rollout, { atMs: noonMs + 71 * minuteMs });
    expect(canary).toMatchObject({ users: 1, firstCalls: 0, successes: 0, turns: 1, costNanoUsd: 400 });
    expect(closed).toEqual([]);
  });

  test('what the caller caused counts as declined alone, and what says nothing not at all', async () => {
    for (const outcome of ['bad-request', 'context-length', 'content-filter', 'cancelled', 'budget'] as const) {
      await playTurn(ledger, { rollout, atMs: noonMs, userId: outcome }, outcome);
    }
    const { canary, closed } = await readEvidence(ledger, rollout, { atMs: noonMs + 100 * minuteMs });
    expect(canary).toMatchObject({ users: 5, firstCalls: 0, faultyUsers: 0, declinedUsers: 3, declined: 3, faults: 0 });
    expect(closed).toEqual([]);
  });

  test('a turn that a budget refuses does not begin a user’s exposure', async () => {
    const planned = plan(reservation(1_000), { rollout, bake: 1 });
    const refused = { sessionId: null, plan: () => planned, caps: { ...wideCaps, dayNanoUsd: 0 }, atMs: noonMs };
    for (let index = 0; index < 2; index += 1) {
      await ledger.admit(admitRequest(`${rollout} refused`, 1_000, { ...refused, userId: 'ann' }));
    }
    expect(await userRows()).toEqual([]);
    await playTurn(ledger, { rollout, atMs: noonMs + 50 * minuteMs });
    await ledger.admit(
      admitRequest(`${rollout} again`, 1_000, { ...refused, userId: 'ann', atMs: noonMs + 51 * minuteMs }),
    );
    // With more budget, the refused turn is admitted after all.
    const wide = { ...refused, userId: 'ann', caps: wideCaps, atMs: noonMs + 80 * minuteMs };
    await ledger.admit(admitRequest(`${rollout} refused`, 1_000, wide));
    await ledger.settleAttempt(`${rollout} refused`, settled(1, 400), noonMs + 81 * minuteMs);
    const { canary } = await readEvidence(ledger, rollout, { atMs: noonMs + 90 * minuteMs });
    expect(canary).toMatchObject({ users: 1, turns: 2, successes: 2, cost: { users: 0 } });
  });

  test('a turn that goes on in another arm, because its own is gone, counts for nothing any more', async () => {
    const turnId = await playTurn(ledger, { rollout, atMs: noonMs });
    expect(await readEvidence(ledger, rollout, { atMs: noonMs + 2 })).toMatchObject({
      canary: { users: 1, successes: 1 },
    });
    const elsewhere = plan(reservation(1_000, { arm: 'other' }), null);
    const over = { userId: 'ann', sessionId: null, plan: () => elsewhere, atMs: noonMs + 3 };
    await ledger.admit(admitRequest(turnId, 1_000, over));
    await ledger.recordTurn(turnRecord(turnId, [settled(2, 400)], { atMs: noonMs + 4 }));
    const { canary } = await readEvidence(ledger, rollout, { atMs: noonMs + 5 });
    expect(canary).toMatchObject({ users: 0, turns: 0, successes: 0, costNanoUsd: 0, latencies: [] });
    // The row has been counted, so a refused turn must not delete it.
    const refused = { userId: 'ann', sessionId: null, caps: { ...wideCaps, dayNanoUsd: 0 }, atMs: noonMs + 6 };
    const planned = plan(reservation(1_000), { rollout, bake: 1 });
    await ledger.admit(admitRequest(randomUUID(), 1_000, { ...refused, plan: () => planned }));
    await playTurn(ledger, { rollout, atMs: noonMs + 7 });
    expect(await readEvidence(ledger, rollout, { atMs: noonMs + 9 })).toMatchObject({ canary: { users: 1, turns: 1 } });
  });

  test('an answer that another arm gave is no answer of the user’s arm and shows no flags, but its rating counts', async () => {
    for (const rescuedBy of ['legacy', null]) {
      const turnId = await admitTurn(ledger, { rollout, atMs: noonMs, userId: rescuedBy ?? 'own' });
      const labels = { flags: ['empty'], rescuedBy, atMs: noonMs + 1 } as const;
      await ledger.recordTurn(turnRecord(turnId, [settled(1, 400)], labels));
      await ledger.recordFeedback({ turnId, signal: 'down', atMs: noonMs + 2 });
    }
    const { canary } = await readEvidence(ledger, rollout, { atMs: noonMs + 3 });
    expect(canary).toMatchObject({
      users: 2,
      successfulTurns: 1,
      answeredUsers: 1,
      flaggedUsers: { empty: 1 },
      unhappyUsers: 2,
      feedback: { down: 2 },
    });
  });

  test('a rating that replaces one that was counted takes it back, also after another arm rescued the turn', async () => {
    const turnId = await playTurn(ledger, { rollout, atMs: noonMs });
    await ledger.recordFeedback({ turnId, signal: 'down', atMs: noonMs + 2 });
    expect(await readEvidence(ledger, rollout, { atMs: noonMs + 3 })).toMatchObject({
      canary: { unhappyUsers: 1, feedback: { down: 1 } },
    });
    await ledger.recordTurn(turnRecord(turnId, [], { rescuedBy: 'legacy', atMs: noonMs + 4 }));
    await ledger.recordFeedback({ turnId, signal: 'up', atMs: noonMs + 5 });
    expect(await readEvidence(ledger, rollout, { atMs: noonMs + 6 })).toMatchObject({
      canary: { unhappyUsers: 0, feedback: { up: 1 } },
    });
  });

  test('feedback on a turn outside of rollouts waits for no counting', async () => {
    const turnId = randomUUID();
    await ledger.admit(admitRequest(turnId, 1_000));
    for (const signal of ['down', 'up'] as const) {
      expect(await ledger.recordFeedback({ turnId, signal, atMs: noonMs + 1 })).toBe('recorded');
      const uncounted = `select turn_id from feedback where is_counted = 0 and turn_id = '${turnId}'`;
      expect(await opened.database.query(uncounted)).toEqual([]);
    }
  });

  test('calls above the frozen limits are slow: the canary’s above the given percentage of them', async () => {
    const arms = { holysheep: [40, 44, 45], legacy: [40, 41, 45] };
    for (const [arm, latencies] of Object.entries(arms)) {
      for (const ms of latencies) {
        const ended = { latencyMs: ms, firstTokenMs: ms };
        await playTurn(ledger, { rollout, atMs: noonMs, arm, userId: `${arm} ${ms}` }, 'answered', ended);
      }
    }
    const limits = { callMs: 40, firstTokenMs: 50 };
    const guarded = await readEvidence(ledger, rollout, { limits, atMs: noonMs + 2 });
    expect(guarded.canary).toMatchObject({ timedUsers: 3, slowUsers: 1, spokenUsers: 3, slowToSpeakUsers: 0 });
    expect(guarded.baseline).toMatchObject({
      timedUsers: 3,
      slowUsers: 2,
      latencies: [
        [40, 1],
        [41, 1],
        [45, 1],
      ],
    });
    const unguarded = await readEvidence(ledger, rollout, { limits, maxLatencyPercent: null, atMs: noonMs + 2 });
    expect([unguarded.canary.slowUsers, unguarded.baseline.slowUsers]).toEqual([0, 0]);
  });

  test('users who can have met an excluded window count for nothing, until it is no longer excluded', async () => {
    for (let hour = 0; hour < 6; hour += 1) {
      const atMs = noonMs + hour * 60 * minuteMs;
      await playTurn(
        ledger,
        { rollout, atMs, userId: `at ${hour}`, keyId: 'key' },
        hour === 2 ? 'server-error' : 'answered',
      );
    }
    const atMs = noonMs + 600 * minuteMs;
    const everything = await readEvidence(ledger, rollout, { atMs });
    expect(everything).toMatchObject({ canary: { users: 6, faultyUsers: 1 }, canaryLargestKey: { users: 6 } });
    // From the end of the second user's exposure to the beginning of the fourth's: meets the third's alone.
    const excluded = [{ fromMs: noonMs + 130 * minuteMs, toMs: noonMs + 180 * minuteMs }];
    const without = await readEvidence(ledger, rollout, { atMs, excluded });
    expect(without).toMatchObject({ canary: { users: 5, faultyUsers: 0 }, canaryLargestKey: { users: 5 } });
    expect(without.closed).toEqual([{ calls: 1, failed: 0, users: 5 }]);
    // What a reader sees, whatever windows it asks for.
    expect(await ledger.rollouts.countedUserEvidence(evidenceRequest(rollout, { atMs }))).toEqual(without);
    expect(await readEvidence(ledger, rollout, { atMs })).toEqual(everything);
  });

  test('a rollout that a worker began who knows no users has no rows, although it left those numbers in the split', async () => {
    const byOlder = randomUUID();
    await opened.database.query(`update traffic_split set rollout = '${byOlder}' returning id`);
    expect((await ledger.rollouts.split())!.exposure).toBeUndefined();
    await playTurn(ledger, { rollout: byOlder, atMs: noonMs });
    expect(await userRows(byOlder)).toEqual([]);
  });

  test('a rollout that does not count users, and turns outside of rollouts, have no rows', async () => {
    const byRequests = randomUUID();
    await ledger.rollouts.record(entry(1, { spec: { name: byRequests, takeOver: true } }), defaultArm);
    await playTurn(ledger, { rollout: byRequests, atMs: noonMs });
    expect(await userRows(byRequests)).toEqual([]);
    expect(await readEvidence(ledger, byRequests)).toMatchObject({ canary: { users: 0 }, closed: [], languages: [] });
    await ledger.admit(admitRequest(randomUUID(), 1_000));
    expect(await opened.database.query("select user_id from rollout_users where user_id = 'user'")).toEqual([]);
  });

  test('counting in the background leaves an analysis nothing to do but to read', async () => {
    await playTurn(ledger, { rollout, atMs: noonMs });
    const looked = () => ledger.rollouts.countedUserEvidence(evidenceRequest(rollout, { atMs: noonMs + 2 }));
    expect(await looked()).toMatchObject({ canary: { users: 0 } });
    expect(await ledger.rollouts.countUsers(noonMs + 2)).toBeGreaterThan(0);
    expect(await ledger.rollouts.countUsers(noonMs + 2)).toBe(0);
    expect(await looked()).toMatchObject({ canary: { users: 1, successes: 1 } });
    // When they are closed.
    expect(await ledger.rollouts.countUsers(noonMs + 70 * minuteMs)).toBeGreaterThan(0);
    expect(await looked()).toMatchObject({
      closed: [{ calls: 1, failed: 0, users: 1 }],
      canary: { cost: { users: 1 } },
    });
  });

  test('a language is what the user began with, and its tallies have no histograms', async () => {
    await playTurn(ledger, { rollout, atMs: noonMs, language: 'zh' });
    await playTurn(ledger, { rollout, atMs: noonMs + 1, language: 'en' }, 'timeout');
    await playTurn(ledger, { rollout, atMs: noonMs + 1, userId: 'ben', arm: 'legacy' });
    const { languages } = await readEvidence(ledger, rollout, { atMs: noonMs + 3 });
    expect(languages.map(({ language, canary, baseline }) => [language, canary.users, baseline.users])).toEqual([
      ['und', 0, 1],
      ['zh', 1, 0],
    ]);
    expect(languages[1]!.canary).toMatchObject({ turns: 2, faults: 1, latencies: [] });
  });
});

describeOnEachDatabase('the baseline’s limits', (databases) => {
  let opened: TestLedger;
  beforeAll(async () => {
    opened = await openTestLedger(databases);
  });
  afterAll(() => opened.close());

  test('are the p95 of users’ first calls in the given time, and unknown for fewer than 100 users', async () => {
    const { ledger } = opened;
    const turn = async (userId: string, latencyMs: number, atMs: number, arm = 'legacy') => {
      const turnId = randomUUID();
      const planned = plan(reservation(1, { arm }));
      await ledger.admit(admitRequest(turnId, 1, { userId, sessionId: null, plan: () => planned, atMs }));
      const firstTokenMs = latencyMs % 2 === 0 ? latencyMs / 2 : null;
      await ledger.settleAttempt(turnId, settled(1, 1, { latencyMs, firstTokenMs }), atMs);
    };
    for (let user = 1; user <= 99; user += 1) await turn(`user ${user}`, user, noonMs + 1);
    const asked = { baselineArm: 'legacy', fromMs: noonMs + 1, toMs: noonMs + 4 };
    expect(await ledger.rollouts.baselineLimits(asked)).toEqual({ callMs: null, firstTokenMs: null });
    await turn('user 100', 100, noonMs + 1);
    // None of these count: later calls, another arm, another time.
    for (let index = 0; index < 30; index += 1) await turn('user 1', 5_000, noonMs + 2);
    for (let index = 0; index < 30; index += 1) await turn(`other ${index}`, 5_000, noonMs + 2, 'holysheep');
    for (const [index, atMs] of [noonMs, noonMs + 4].entries()) await turn(`late ${index}`, 5_000, atMs);
    // 95, in the bucket of 94 and 95; the 50 users whose calls streamed are too few.
    expect(await ledger.rollouts.baselineLimits(asked)).toEqual({ callMs: 95, firstTokenMs: null });
  });
});
