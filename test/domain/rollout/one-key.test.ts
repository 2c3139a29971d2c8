import * as fc from 'fast-check';
import type { FaultTally, KeyFaults, UserEvidence } from '../../../src/contract/user-evidence';
import { findWrongDecision } from '../../../src/domain/rollout/verify';
import { tally, UserRollout, userSpec } from './given-users';
import { rowOf } from './given';

/** Users of one key in one arm, each with one call. */
function users(count: number, faulty = 0, firstCallFaults = faulty): FaultTally {
  return { users: count, firstCalls: count, firstCallFaults, faultyUsers: faulty };
}

/** Whether the failures of less than half of all users are most of them. */
function isMostOfTheTrouble(own: FaultTally, all: readonly KeyUsers[]): boolean {
  const sum = (field: 'users' | 'faultyUsers' | 'firstCallFaults') => total(all, ({ canary }) => canary[field]);
  if (2 * own.users >= sum('users')) return false;
  return (['faultyUsers', 'firstCallFaults'] as const).some((trouble) => 2 * own[trouble] > sum(trouble));
}

interface KeyUsers {
  readonly canary: FaultTally;
  readonly baseline?: FaultTally;
}

/** What the ledger reads of these keys: both arms, and the keys with the most trouble. */
function evidenceOf(keys: Readonly<Record<string, KeyUsers>>): Partial<UserEvidence> {
  const all = Object.entries(keys).map(([keyId, of]): KeyFaults => ({ keyId, baseline: users(0), ...of }));
  const sum = (arm: 'baseline' | 'canary') =>
    tally(0, {
      users: total(all, (key) => key[arm].users),
      firstCalls: total(all, (key) => key[arm].firstCalls),
      firstCallFaults: total(all, (key) => key[arm].firstCallFaults),
      faultyUsers: total(all, (key) => key[arm].faultyUsers),
    });
  const most = (trouble: 'faultyUsers' | 'firstCallFaults') =>
    all.filter(({ canary }) => canary[trouble] > 0).toSorted((a, b) => b.canary[trouble] - a.canary[trouble])[0];
  const faultiest = [...new Set([most('faultyUsers'), most('firstCallFaults')])].filter((key) => key !== undefined);
  return { canary: sum('canary'), baseline: sum('baseline'), canaryFaultiestKeys: faultiest };
}

function total<Key>(keys: readonly Key[], of: (key: Key) => number): number {
  return keys.reduce((whole, key) => whole + of(key), 0);
}

const honest: KeyUsers = { canary: users(1_000, 5), baseline: users(9_000, 45) };
/** Invented users whose every request fails, chosen so that all are on the canary. */
const hostile: KeyUsers = { canary: users(60, 60) };

describe('one API key with most of the canary’s users in trouble', () => {
  it('holds the rollout and is named, but does not roll it back', () => {
    const rollout = new UserRollout();
    const { action, reason, next } = rollout.look(1, evidenceOf({ honest, 'key-7': hostile }));
    expect([action, next.phase, next.percent]).toEqual(['hold', 'Held', 10]);
    expect(reason).toMatch(/is below 99%.*More users of holysheep hit failures/);
    expect(reason).toContain(
      'Most of this comes from one API key, key-7: it has 60 of the 1060 users of holysheep, but 60 of the 65 who hit failures. ' +
        "Of the other keys' users, 5 of 1000 did, which would not be enough.",
    );
    expect(reason).not.toMatch(/It is not shown that/);
    expect(rollout.look(2, evidenceOf({ honest, 'key-7': hostile })).action).toBe('wait');
  });

  it('rolls back as before in evidence that does not tell the keys, and the decisions of both kinds can be recomputed', () => {
    const { canaryFaultiestKeys: _, ...older } = evidenceOf({ honest, hostile });
    const [without, with_] = [new UserRollout(), new UserRollout()];
    expect(without.look(1, older).action).toBe('roll-back');
    expect(with_.look(1, evidenceOf({ honest, hostile })).action).toBe('hold');
    for (const { entries } of [without, with_]) expect(findWrongDecision(entries.map(rowOf))).toBeNull();
  });

  it('is verified as decided where an older worker took what a newer one had read', () => {
    const rollout = new UserRollout();
    const { canaryFaultiestKeys, ...older } = evidenceOf({ honest, hostile });
    rollout.look(1, older);
    const rows = rollout.entries.map(rowOf);
    const last = rollout.entries.at(-1);
    if (!last?.evidence) throw new Error('There is a decision with evidence.');
    const entry = { ...last, evidence: { ...last.evidence, canaryFaultiestKeys } };
    const wrong = { ...entry, decision: { ...entry.decision, action: 'wait' as const } };
    expect(findWrongDecision([...rows.slice(0, -1), rowOf(entry)])).toBeNull();
    expect(findWrongDecision([...rows.slice(0, -1), rowOf(wrong)])?.problem).toContain('a different decision');
  });

  it('holds a rollout that is paused, and keeps one at 100% from ending', () => {
    const paused = new UserRollout();
    paused.command('pause', 1);
    expect(paused.look(2, evidenceOf({ honest, hostile }))).toMatchObject({ action: 'hold', next: { phase: 'Held' } });
    const warm = new UserRollout(userSpec({ holdbackPercent: 5 }));
    warm.command('promote', 1, { full: true, force: true, reason: 'we know better' });
    const mostlyCanary = {
      honest: { canary: users(9_500, 40), baseline: users(500, 2) },
      hostile: { canary: users(1_500, 1_500) },
    };
    const decision = warm.look(40, evidenceOf(mostlyCanary));
    expect(decision).toMatchObject({ action: 'wait', next: { phase: 'Promoting' } });
    expect(decision.reason).toContain('one API key, hostile');
  });

  it('is looked for among users whose first call failed, too: of many calls, some fail for users of every key', () => {
    const manyCalls = { canary: users(1_000, 70, 5), baseline: users(9_000, 630, 45) };
    expect(new UserRollout().look(1, evidenceOf({ manyCalls, hostile })).action).toBe('hold');
  });

  it('is told, too, if it leads to only one of both findings', () => {
    const poor = { canary: users(1_000, 60), baseline: users(9_000, 540) };
    const { action, reason } = new UserRollout().look(1, evidenceOf({ poor, hostile: { canary: users(100, 100) } }));
    expect(action).toBe('hold');
    expect(reason).toContain('one API key, hostile');
  });

  it.each([
    [
      'has half of all users, as a service with a single key',
      { only: { canary: users(1_000, 60), baseline: users(9_000) } },
    ],
    [
      'is only one of those whose users fail',
      { a: { canary: users(400, 40) }, b: { canary: users(600, 30), baseline: users(9_000) } },
    ],
    [
      'fails as often as its share of users lets expect',
      { a: { canary: users(480, 20) }, b: { canary: users(520, 18), baseline: users(9_000) } },
    ],
    [
      'hides that the others’ users fail, too',
      { hostile: { canary: users(200, 200) }, b: { canary: users(1_000, 60), baseline: users(9_000) } },
    ],
  ])('does not keep a rollout from being rolled back if it %s', (_, keys) => {
    expect(new UserRollout().look(1, evidenceOf(keys)).action).toBe('roll-back');
  });
});

const keyNames = ['a', 'b', 'c', 'd'];

describe('whichever keys there are', () => {
  it('six users roll a canary back that fails everything', () => {
    const shares = fc.array(fc.constantFrom(...keyNames), { minLength: 6, maxLength: 8 });
    fc.assert(
      fc.property(shares, (keysOfUsers) => {
        const keys = keyNames.map((name) => {
          const own = keysOfUsers.filter((key) => key === name).length;
          return [name, { canary: users(own, own), baseline: users(own * 9) }] as const;
        });
        expect(new UserRollout().look(0.1, evidenceOf(Object.fromEntries(keys))).action).toBe('roll-back');
      }),
    );
  });

  it('failures that a key adds keep no rollout from being rolled back that would be without them, unless most are of another key', () => {
    const own = fc.record({ users: fc.nat(400), faulty: fc.nat(60), later: fc.nat(60), baseline: fc.nat(30) });
    fc.assert(
      fc.property(fc.array(own, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 300 }), (owners, added) => {
        const keys = Object.fromEntries(
          owners.map(({ users: count, faulty, later, baseline }, index) => {
            const of = users(count + faulty + later, faulty + later, faulty);
            return [`honest-${index}`, { canary: of, baseline: users(of.users * 9, baseline) }];
          }),
        );
        if (new UserRollout().look(1, evidenceOf(keys)).action !== 'roll-back') return;
        const attacked = { ...keys, hostile: { canary: users(added, added) } };
        // A key that had half of the users, and so could not hold anything, may have less now.
        if (Object.values(keys).some(({ canary }) => isMostOfTheTrouble(canary, Object.values(attacked)))) return;
        expect(new UserRollout().look(1, evidenceOf(attacked)).action).toBe('roll-back');
      }),
      { numRuns: 2_000 },
    );
  });

  it('a key’s failures alone never roll back what would not be without them, unless half of the users are its', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 3_000 }),
        fc.double({ min: 0.01, max: 0.9, noNaN: true }),
        (count, share) => {
          const clean = { canary: users(count), baseline: users(count * 9) };
          const invented = Math.floor(count * share);
          const keys = { clean, hostile: { canary: users(invented, invented) } };
          expect(new UserRollout().look(1, evidenceOf(keys)).action).not.toBe('roll-back');
        },
      ),
    );
  });
});
