import { admitTurn } from '../../src/activities/admit-turn';
import { RecentLatency } from '../../src/activities/target-health';
import { userBucket } from '../../src/activities/user-bucket';
import { loadSettings } from '../../src/config/load-settings';
import type { Policy } from '../../src/contract/policy';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { defaultArm, entry } from '../ledger/rollout-entries';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { unique } from '../support/temporal';

const staff = 'staff@example.com';

/** Simulated providers, so that both arms are there. */
const policy: Policy = {
  ...loadSettings({ environment: {} }).policy,
  budgets: { sessionNanoUsd: 1e15, dayNanoUsd: 1e15, maxCompletionTokens: 2000 },
  defaultArm,
  pinnedArms: new Map([[staff, 'holysheep']]),
};

const userIds = Array.from({ length: 1_000 }, (_, index) => `user_${String(index).padStart(4, '0')}`);

describeOnEachDatabase('turns routed through the real admission', (databases) => {
  let opened: TestLedger;
  let ledgers: readonly [Ledger, Ledger];
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ledgers = [opened.ledger, await openLedger(opened.database.location)];
  });
  afterEach(async () => {
    await ledgers[1].close();
    await opened.close();
  });

  async function admissionOf(ledger: Ledger, userId: string | null, ids: { sessionId?: string; turnId?: string } = {}) {
    const { sessionId = null, turnId = unique('turn') } = ids;
    const prompt = { bytes: 10, characters: 10, cjkCharacters: 0, messages: 1 };
    const dependencies = { ledger, policy, providers: new Map(), owner: 'process' };
    const admission = await admitTurn(dependencies, new RecentLatency(), {
      turnId,
      sessionId,
      userId,
      prompt,
      messages: [],
    });
    if (admission.kind !== 'admitted') throw new Error(`The turn is ${admission.kind}.`);
    return admission;
  }

  async function admit(...turn: Parameters<typeof admissionOf>) {
    const { arm, canary } = await admissionOf(...turn);
    return { arm, canary };
  }

  /** Users on the canary arm, admitted some at a time, each time through the other ledger. */
  async function canaryUsers(users: readonly string[]): Promise<ReadonlySet<string>> {
    const found = new Set<string>();
    for (let from = 0; from < users.length; from += 20) {
      const some = users.slice(from, from + 20);
      const ledger = ledgers[(from / 20) % 2 ? 0 : 1];
      const admissions = await Promise.all(some.map((userId) => admit(ledger, userId)));
      admissions.forEach(({ arm, canary }, index) => {
        expect(canary).toBe(arm === 'holysheep');
        if (canary) found.add(some[index]!);
      });
    }
    return found;
  }

  let sequence = 0;
  async function setSplit(percent: number, endedAtMs: number | null = null): Promise<void> {
    sequence = percent === 10 ? 1 : sequence + 1;
    const recorded = await ledgers[0].rollouts.record(
      entry(sequence, { percent, bake: sequence, endedAtMs }),
      defaultArm,
    );
    expect(recorded).toMatchObject({ kind: 'recorded' });
  }

  // Where a user goes does not depend on the database; PostgreSQL is asked of fewer, as each costs six round trips.
  const users = userIds.slice(0, databases.name === 'SQLite' ? 1_000 : 300);

  test(`a rollback sends all ${users.length} users to the baseline, of whom those in the first ten buckets were canaries before`, async () => {
    await setSplit(10);
    const canaries = await canaryUsers(users);
    expect([...canaries]).toEqual(users.filter((userId) => userBucket(userId) <= 10));

    await setSplit(0, Date.now());
    // The very next admissions of either ledger, of users who were canaries a moment ago.
    const [one = '', other = ''] = canaries;
    for (const [index, userId] of [one, other].entries()) {
      expect(await admit(ledgers[index]!, userId)).toEqual({ arm: 'legacy', canary: false });
    }
    expect((await canaryUsers(users)).size).toBe(0);
  });

  test('raising the split moves nobody back', async () => {
    const some = users.slice(0, 100);
    let before: ReadonlySet<string> = new Set();
    for (const percent of [10, 25, 50, 75, 100]) {
      await setSplit(percent);
      const canaries = await canaryUsers(some);
      expect([...before].filter((userId) => !canaries.has(userId))).toEqual([]);
      expect(canaries.size).toBeGreaterThan(before.size);
      before = canaries;
    }
    expect(before.size).toBe(some.length);
  });

  test('without a rollout all go to the default arm, and pinned users to theirs', async () => {
    expect(await admit(ledgers[0], 'ann')).toEqual({ arm: 'legacy', canary: false });
    expect(await admit(ledgers[0], staff)).toEqual({ arm: 'holysheep', canary: false });
  });

  test('after a rollout that succeeded all are on the new arm, and none is a canary', async () => {
    await setSplit(10);
    await setSplit(100, Date.now());
    for (const userId of userIds.slice(0, 20)) {
      expect(await admit(ledgers[0], userId)).toEqual({ arm: 'holysheep', canary: false });
    }
  });

  test('a turn without a user is routed by its session, and one without a session by itself', async () => {
    await setSplit(10);
    const arm = (id: string) => (userBucket(id) <= 10 ? 'holysheep' : 'legacy');
    const ids = Array.from({ length: 40 }, (_, index) => `id ${index}`);
    const [bySession, byTurn] = [[] as string[], [] as string[]];
    for (const id of ids) bySession.push((await admit(ledgers[0], null, { sessionId: id })).arm);
    for (const id of ids) byTurn.push((await admit(ledgers[1], null, { turnId: id })).arm);
    expect(bySession).toEqual(ids.map(arm));
    expect(byTurn).toEqual(ids.map(arm));
    expect(new Set(bySession).size).toBe(2);
  });

  test('a turn that comes again after a rollback stays where it began', async () => {
    await setSplit(10);
    const canary = userIds.find((userId) => userBucket(userId) <= 10)!;
    const turnId = unique('turn');
    const first = await admit(ledgers[0], canary, { turnId });
    await setSplit(0, Date.now());
    expect(first).toEqual({ arm: 'holysheep', canary: true });
    expect(await admit(ledgers[1], canary, { turnId })).toEqual(first);
  });

  test('the chain of a canary ends with the baseline while its rollout is under way, and no other chain does', async () => {
    const targets = async (userId: string, turnId = unique('turn')) =>
      (await admissionOf(ledgers[0], userId, { turnId })).targets.map(
        ({ name, arm }) => `${name} of ${arm ?? 'its arm'}`,
      );
    const own = ['holysheep-primary of its arm', 'holysheep-fallback of its arm'];
    const rescued = [...own, 'legacy-primary of legacy'];
    const canary = userIds.find((userId) => userBucket(userId) <= 10)!;
    const other = userIds.find((userId) => userBucket(userId) === 100)!;
    const spec = { rescue: true };

    await ledgers[0].rollouts.record(entry(1, { percent: 10, spec }), defaultArm);
    const turnId = unique('turn');
    expect(await targets(canary, turnId)).toEqual(rescued);
    expect(await targets(canary, turnId)).toEqual(rescued);
    expect(await targets(other)).toEqual(['legacy-primary of its arm']);
    expect(await targets(staff)).toEqual(own);

    await ledgers[0].rollouts.record(entry(2, { percent: 100, bake: 2, spec }), defaultArm);
    expect(await targets(other)).toEqual(rescued);
    await ledgers[0].rollouts.record(entry(3, { percent: 100, bake: 2, endedAtMs: Date.now(), spec }), defaultArm);
    expect(await targets(other)).toEqual(own);
  });

  test('a salt gives a rollout other users to begin with, and moves none of them back', async () => {
    const some = users.slice(0, 100);
    const spec = { salt: 'december' };
    await ledgers[0].rollouts.record(entry(1, { percent: 25, spec }), defaultArm);
    const first = await canaryUsers(some);
    expect([...first]).toEqual(some.filter((userId) => userBucket(userId, 'december') <= 25));
    expect([...first]).not.toEqual(some.filter((userId) => userBucket(userId) <= 25));
    await ledgers[1].rollouts.record(entry(2, { percent: 50, bake: 2, spec }), defaultArm);
    const second = await canaryUsers(some);
    expect([...first].filter((userId) => !second.has(userId))).toEqual([]);
  });
});
