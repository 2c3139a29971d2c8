import { auditHash, noHash } from '../../src/ledger/audit-hash';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { type AuditRow, RolloutConflictError } from '../../src/contract/rollout-ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { admitRequest, noonMs, plan, reservation } from './requests';
import { defaultArm, entry } from './rollout-entries';

function expectChain(rows: readonly AuditRow[]): void {
  rows.forEach((row, index) => {
    expect(row.position).toBe(index + 1);
    expect(row.previousHash).toBe(rows[index - 1]?.hash ?? noHash);
    expect(row.hash).toBe(auditHash(row));
  });
}

describeOnEachDatabase('the record of rollouts', (databases) => {
  let ledger: Ledger;
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
  });
  afterEach(() => opened.close());

  async function recordAll(...entries: readonly ReturnType<typeof entry>[]): Promise<void> {
    for (const one of entries)
      expect(await ledger.rollouts.record(one, defaultArm)).toMatchObject({ kind: 'recorded' });
  }

  test('is empty before the first rollout', async () => {
    expect(await ledger.rollouts.split()).toBeNull();
    expect(await ledger.rollouts.auditHead()).toBeNull();
    expect(await ledger.rollouts.lastAuditRow()).toBeNull();
    expect(await ledger.rollouts.auditTrail()).toEqual([]);
  });

  test('the first entry sets the split and the first row', async () => {
    const first = entry(1, { reason: 'It begins.' });
    await recordAll(first);
    expect(await ledger.rollouts.split()).toEqual({
      rollout: 'november',
      baselineArm: 'legacy',
      canaryArm: 'holysheep',
      percent: 10,
      bake: 1,
      active: true,
      rescue: false,
      salt: null,
    });
    const row = await ledger.rollouts.lastAuditRow();
    expect(row).toEqual({
      position: 1,
      rollout: 'november',
      sequence: 1,
      atMs: first.atMs,
      actor: 'ann',
      action: 'start',
      reason: 'It begins.',
      entry: JSON.stringify(first),
      previousHash: noHash,
      keyId: null,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(await ledger.rollouts.auditHead()).toEqual({ position: 1, hash: row?.hash });
  });

  test('each entry sets the percentage, the bake and whether the rollout is active', async () => {
    await recordAll(entry(1), entry(2, { percent: 25, bake: 2 }));
    expect(await ledger.rollouts.split()).toMatchObject({ percent: 25, bake: 2, active: true });
    await recordAll(entry(3, { percent: 0, bake: 3, endedAtMs: noonMs }));
    expect(await ledger.rollouts.split()).toMatchObject({ percent: 0, bake: 3, active: false });
  });

  test('distinguishes operators from the rollout itself', async () => {
    const command = { name: 'pause', actor: 'ben', reason: 'lunch' } as const;
    await recordAll(entry(1), entry(2), entry(3, { command, action: 'pause' }));
    const actors = (await ledger.rollouts.auditTrail()).map(({ actor }) => actor);
    expect(actors).toEqual(['ann', 'bellwether', 'ben']);
  });

  test('repeating an entry changes nothing, however late', async () => {
    await recordAll(entry(1), entry(2, { percent: 25 }));
    const before = await ledger.rollouts.auditTrail();
    await recordAll(entry(1), entry(2, { percent: 25 }));
    expect(await ledger.rollouts.auditTrail()).toEqual(before);
    expect(await ledger.rollouts.split()).toMatchObject({ percent: 25 });
  });

  test('another entry with a used sequence number is an error and changes nothing', async () => {
    await recordAll(entry(1), entry(2));
    const other = entry(2, { percent: 100 });
    await expect(ledger.rollouts.record(other, defaultArm)).rejects.toThrow('row 2 of rollout november already exists');
    expect(await ledger.rollouts.split()).toMatchObject({ percent: 10 });
    expect(await ledger.rollouts.auditTrail()).toHaveLength(2);
  });

  test('a rollout that was rolled back in the ledger learns who did it', async () => {
    const reason = 'ann rolled back ("complaints").';
    await recordAll(entry(1), entry(2, { percent: 0, endedAtMs: noonMs, reason }));
    const analysis = ledger.rollouts.record(entry(2, { percent: 25 }), defaultArm);
    await expect(analysis).rejects.toThrow(`Rollout november has been ended in the ledger in the meantime: ${reason}`);
    await expect(analysis).rejects.toBeInstanceOf(RolloutConflictError);
    expect(await ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
  });

  test('an entry whose predecessor is missing is an error and changes nothing', async () => {
    await expect(ledger.rollouts.record(entry(2), defaultArm)).rejects.toThrow('row 1 is missing');
    await recordAll(entry(1));
    await expect(ledger.rollouts.record(entry(3), defaultArm)).rejects.toThrow('row 2 is missing');
    await expect(ledger.rollouts.record(entry(9), defaultArm)).rejects.toThrow(
      'rows 2 to 8 are missing in the ledger. It was restored from an older backup',
    );
    expect(await ledger.rollouts.auditTrail()).toHaveLength(1);
  });

  describe('two entries that are recorded together', () => {
    const rollback = entry(2, { percent: 0, bake: 2, action: 'roll-back', endedAtMs: noonMs });

    test('make a row each, and the second one the split', async () => {
      const recorded = await ledger.rollouts.recordBoth(entry(1), rollback, defaultArm);
      expect(recorded).toMatchObject({ kind: 'recorded', row: { position: 2 } });
      expect(await ledger.rollouts.split()).toMatchObject({ percent: 0, active: false });
      expectChain(await ledger.rollouts.auditTrail());
    });

    test('change nothing if the first is refused or the second fails', async () => {
      const together = ledger.rollouts.recordBoth(entry(1), entry(3), defaultArm);
      await expect(together).rejects.toThrow('row 2 is missing');
      expect(await ledger.rollouts.split()).toBeNull();
      await recordAll(entry(1, { spec: { name: 'october' } }));
      expect(await ledger.rollouts.recordBoth(entry(1), rollback, defaultArm)).toMatchObject({ kind: 'refused' });
      expect(await ledger.rollouts.auditTrail()).toHaveLength(1);
    });
  });

  test.each([
    [
      'goes back to an earlier bake',
      { percent: 25, bake: 1 },
      'stands at 50% in bake 2, and this would put it at 25% in bake 1',
    ],
    [
      'moves traffic within a bake',
      { percent: 80, bake: 2 },
      'stands at 50% in bake 2, and this would put it at 80% in bake 2',
    ],
    ['skips a bake', { percent: 80, bake: 4 }, 'stands at 50% in bake 2, and this would put it at 80% in bake 4'],
  ])('an entry that %s does not follow from the one before it, and changes nothing', async (_title, place, problem) => {
    await recordAll(entry(1), entry(2, { percent: 50, bake: 2 }));
    const recording = ledger.rollouts.record(entry(3, place), defaultArm);
    await expect(recording).rejects.toThrow(problem);
    await expect(recording).rejects.toBeInstanceOf(RolloutConflictError);
    expect(await ledger.rollouts.split()).toMatchObject({ percent: 50, bake: 2 });
    expect(await ledger.rollouts.auditTrail()).toHaveLength(2);
  });

  test('nothing but a refusal follows the end of a rollout', async () => {
    const ended = { percent: 0, bake: 2, endedAtMs: noonMs };
    await recordAll(entry(1), entry(2, ended), entry(3, { ...ended, action: 'refuse' }));
    await expect(ledger.rollouts.record(entry(4, { percent: 50, bake: 3 }), defaultArm)).rejects.toThrow(
      'had ended at 0% in bake 2',
    );
  });

  test('a workflow that knows more rows than the ledger learns that the rollout was ended there', async () => {
    await recordAll(entry(1), entry(2, { percent: 0, endedAtMs: noonMs, reason: 'ann rolled back.' }));
    const recording = ledger.rollouts.record(entry(9), defaultArm);
    await expect(recording).rejects.toThrow('has been ended in the ledger in the meantime: ann rolled back.');
    await expect(recording).rejects.toBeInstanceOf(RolloutConflictError);
  });

  test('two recorders of one rollout write every row once, in one chain', async () => {
    const other = await openLedger(opened.database.location);
    for (let sequence = 1; sequence <= 20; sequence += 1) {
      const answers = await Promise.all(
        [ledger, other, ledger, other].map(({ rollouts }) => rollouts.record(entry(sequence), defaultArm)),
      );
      const head = await ledger.rollouts.auditHead();
      const { decision } = entry(sequence);
      expect(answers).toEqual(Array.from({ length: 4 }, () => ({ kind: 'recorded', row: head, decision })));
    }
    await other.close();
    const rows = await ledger.rollouts.auditTrail();
    expect(rows.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expectChain(rows);
  });

  test('if two rollouts start at once, one is refused', async () => {
    const other = await openLedger(opened.database.location);
    const answers = await Promise.all([
      ledger.rollouts.record(entry(1, { spec: { name: 'one' } }), defaultArm),
      other.rollouts.record(entry(1, { spec: { name: 'other' } }), defaultArm),
    ]);
    await other.close();
    expect(answers.map(({ kind }) => kind).toSorted()).toEqual(['recorded', 'refused']);
    expect(await ledger.rollouts.auditTrail()).toHaveLength(1);
  });

  describe('a rollout is refused', () => {
    test('under a used name, even with takeOver', async () => {
      await recordAll(entry(1), entry(2, { percent: 0, endedAtMs: noonMs }));
      for (const takeOver of [false, true]) {
        const again = entry(1, { atMs: noonMs + 1, spec: { takeOver } });
        const answer = await ledger.rollouts.record(again, defaultArm);
        expect(answer).toEqual({
          kind: 'refused',
          field: 'name',
          problem: expect.stringContaining('an earlier rollout, "november"'),
          refusal: expect.objectContaining({ path: ['name'], code: 'already-used' }),
        });
      }
      expect(await ledger.rollouts.split()).toMatchObject({ active: false });
      expect(await ledger.rollouts.auditTrail()).toHaveLength(2);
    });

    test('while another rollout is active', async () => {
      await recordAll(entry(1));
      const answer = await ledger.rollouts.record(entry(1, { spec: { name: 'december' } }), defaultArm);
      expect(answer).toEqual({
        kind: 'refused',
        field: 'takeOver',
        problem: expect.stringMatching(/"november" is still active, with 10 % of users on holysheep\. End it first/),
        refusal: expect.objectContaining({ path: ['takeOver'], code: 'rollout-active' }),
      });
      expect(await ledger.rollouts.split()).toMatchObject({ rollout: 'november' });
    });

    test.each([
      ['the default arm, before any rollout', null, 'holysheep', 'holysheep (the default arm)'],
      ['where a rollout led to', 100, 'legacy', 'holysheep (where rollout "november" left it)'],
      ['where a rollout was rolled back to', 0, 'legacy', 'legacy (where rollout "november" left it)'],
    ])('if traffic is at %s', async (_title, percent, elsewhere, text) => {
      if (percent !== null) await recordAll(entry(1), entry(2, { percent, endedAtMs: noonMs }));
      const december = { name: 'december', baselineArm: percent === 0 ? 'holysheep' : 'legacy', canaryArm: 'third' };
      const answer = await ledger.rollouts.record(entry(1, { spec: december }), elsewhere);
      expect(answer).toEqual({
        kind: 'refused',
        field: 'baselineArm',
        problem: expect.stringContaining(text),
        refusal: expect.objectContaining({ path: ['baselineArm'], code: 'traffic-elsewhere' }),
      });
      expect(answer).toMatchObject({ problem: expect.stringContaining('or set takeOver') });
      await recordAll(entry(1, { spec: { ...december, takeOver: true } }));
    });
  });

  test('a rollout is refused within a freeze window, with the time it ends, even with takeOver', async () => {
    const { atMs } = entry(1);
    const freezeWindows = [{ fromMs: atMs - 1, toMs: atMs + 1 }];
    for (const takeOver of [false, true]) {
      expect(await ledger.rollouts.record(entry(1, { spec: { freezeWindows, takeOver } }), defaultArm)).toMatchObject({
        kind: 'refused',
        field: 'freezeWindows',
        problem: expect.stringContaining('keep every step from beginning for 1 ms more'),
        refusal: { code: 'frozen', limit: atMs + 1 },
      });
    }
    expect(await ledger.rollouts.split()).toBeNull();
    await recordAll(entry(1, { spec: { freezeWindows }, atMs: atMs + 1 }));
  });

  test('a rollout starts where the previous one left traffic', async () => {
    await recordAll(entry(1), entry(2, { percent: 100, endedAtMs: noonMs }));
    await recordAll(entry(1, { spec: { name: 'back', baselineArm: 'holysheep', canaryArm: 'legacy' } }));
    expect(await ledger.rollouts.split()).toMatchObject({ rollout: 'back', percent: 10, active: true });
  });

  test('a rollout that was taken over no longer moves traffic', async () => {
    await recordAll(entry(1), entry(1, { spec: { name: 'december', takeOver: true } }));
    await expect(ledger.rollouts.record(entry(2, { percent: 50 }), defaultArm)).rejects.toThrow(
      'rollout december has taken it over',
    );
    expect(await ledger.rollouts.split()).toMatchObject({ rollout: 'december', percent: 10 });
  });

  test('the chain covers all rollouts, and the trail can be read per rollout', async () => {
    await recordAll(entry(1), entry(2, { percent: 0, endedAtMs: noonMs }), entry(1, { spec: { name: 'december' } }));
    const rows = await ledger.rollouts.auditTrail();
    expectChain(rows);
    expect(await ledger.rollouts.auditTrail('november')).toEqual(rows.slice(0, 2));
    expect(await ledger.rollouts.lastAuditRow('november')).toEqual(rows[1]);
    expect(await ledger.rollouts.lastAuditRow()).toEqual(rows[2]);
    expect(await ledger.rollouts.lastAuditRow('nobody')).toBeNull();
    expect(await ledger.rollouts.auditHead()).toEqual({ position: 3, hash: rows[2]?.hash });
  });

  test.each(['a NUL \0 within', 'half a pair \uD83D', 'an emoji 🐑', 'quotes \' " \\ and\nlines', ''])(
    'any text of an operator can be recorded, and its hash computed again: %j',
    async (text) => {
      const command = { name: 'rollback', actor: text, reason: text } as const;
      await recordAll(entry(1), entry(2, { command, action: 'roll-back', reason: text, percent: 0 }));
      await recordAll(entry(2, { command, action: 'roll-back', reason: text, percent: 0 }));
      const rows = await ledger.rollouts.auditTrail();
      expectChain(rows);
      expect(JSON.parse(rows[1]?.entry ?? '')).toMatchObject({ command });
    },
  );

  test('one changed byte in any column breaks the hash', async () => {
    await recordAll(entry(1), entry(2));
    const row = (await ledger.rollouts.auditTrail())[1]!;
    const { hash, ...columns } = row;
    for (const [column, value] of Object.entries(columns)) {
      const altered = typeof value === 'number' ? value + 1 : `${String(value).slice(0, -1)}x`;
      const newHash = auditHash({ ...columns, [column]: altered }, Buffer.alloc(32));
      expect({ column, hash: newHash }).not.toEqual({ column, hash });
    }
  });

  describe('a turn', () => {
    const counted = (arm: string, bake: number) => () => plan(reservation(400, { arm }), { rollout: 'november', bake });

    async function rowOf(turnId: string): Promise<unknown> {
      const [row] = await opened.database.query(`select arm, rollout, bake from turns where turn_id = '${turnId}'`);
      return row;
    }

    test('keeps its arm, bake and canary flag through a step change and a rollback', async () => {
      await recordAll(entry(1));
      expect(await ledger.admit(admitRequest('turn', 400, { plan: counted('holysheep', 1) }))).toMatchObject({
        canary: true,
      });
      await recordAll(entry(2, { percent: 0, bake: 2, endedAtMs: noonMs }));
      const again = admitRequest('turn', 400, {
        plan: ({ previousArm }) => plan(reservation(400, { arm: previousArm ?? 'legacy' })),
      });
      const answer = { kind: 'admitted', arm: 'holysheep', canary: true, attempt: 2 };
      expect(await ledger.admit(again)).toMatchObject(answer);
      expect(await ledger.admit(again)).toMatchObject(answer);
      expect(await rowOf('turn')).toEqual({ arm: 'holysheep', rollout: 'november', bake: 1 });
    });

    test('on the baseline arm, or on an arm of no rollout, is not a canary', async () => {
      await recordAll(entry(1));
      const legacy = await ledger.admit(admitRequest('legacy', 400, { plan: counted('legacy', 1) }));
      const pinned = await ledger.admit(admitRequest('pinned', 400));
      expect([legacy, pinned]).toMatchObject([{ canary: false }, { arm: 'holysheep', canary: false }]);
      expect(await rowOf('pinned')).toEqual({ arm: 'holysheep', rollout: null, bake: null });
    });

    test('that was only refused belongs to the bake that admits it', async () => {
      await recordAll(entry(1));
      const caps = { sessionNanoUsd: 10, dayNanoUsd: 10 };
      await ledger.admit(admitRequest('turn', 400, { plan: counted('legacy', 1), caps }));
      await ledger.admit(admitRequest('turn', 400, { plan: counted('holysheep', 2) }));
      expect(await rowOf('turn')).toEqual({ arm: 'holysheep', rollout: 'november', bake: 2 });
    });

    test('whose arm was removed does not count', async () => {
      await recordAll(entry(1));
      await ledger.admit(admitRequest('turn', 400, { plan: counted('holysheep', 1) }));
      const over = { plan: () => plan(reservation(400, { arm: 'legacy' })) };
      expect(await ledger.admit(admitRequest('turn', 400, over))).toMatchObject({ arm: 'legacy', canary: false });
      expect(await rowOf('turn')).toEqual({ arm: 'legacy', rollout: null, bake: null });
    });

    test('is planned with the current split', async () => {
      const seen: unknown[] = [];
      const look = (turnId: string) =>
        ledger.admit(
          admitRequest(turnId, 400, {
            plan: (known) => {
              seen.push(known);
              return plan(reservation(400));
            },
          }),
        );
      await look('before');
      await recordAll(entry(1));
      await look('after');
      await look('after');
      const split = await ledger.rollouts.split();
      expect(seen).toEqual([
        { previousArm: null, split: null },
        { previousArm: null, split },
        { previousArm: null, split },
        { previousArm: 'holysheep', split },
      ]);
    });
  });
});
