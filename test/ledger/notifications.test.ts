import type { Ledger } from '../../src/contract/ledger';
import {
  type ClaimedDelivery,
  giveUpAfterMs,
  maxWaitingDeliveries,
  type NewNotification,
} from '../../src/contract/notifications';
import type { AuditRow } from '../../src/contract/rollout-ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { noonMs } from './requests';
import { defaultArm, entry } from './rollout-entries';

const leaseMs = 30_000;
const once = { withinMs: Infinity };
const failed = { kind: 'failed', error: 'answered 500', retryInMs: 5_000 } as const;

const told = (title: string, rollout: string | null = 'november'): NewNotification => ({
  event: 'held',
  rollout,
  title,
  text: 'So it is.',
  facts: { percent: 10 },
});

describeOnEachDatabase('notifications', (databases) => {
  let ledger: Ledger;
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
    await ledger.notifications.register(['ops']);
  });
  afterEach(() => opened.close());

  const add = (title: string, rollout?: string | null, atMs = noonMs) =>
    ledger.notifications.add(told(title, rollout), { key: title, ...once }, atMs);
  const queue = (target = 'ops', atMs = noonMs) => ledger.notifications.queue(target, () => true, atMs);
  const claim = (target = 'ops', atMs = noonMs) => ledger.notifications.claim(target, leaseMs, atMs);
  const titles = (claimed: readonly (ClaimedDelivery | null)[]) => claimed.map((each) => each?.notification.title);
  const claimed = async (target?: string, atMs?: number): Promise<ClaimedDelivery> => {
    const delivery = await claim(target, atMs);
    if (delivery === null) throw new Error('Nothing is due.');
    return delivery;
  };

  test('are delivered once each, in the order in which they were added', async () => {
    for (const title of ['one', 'two']) await add(title);
    expect(await queue()).toBe(2);
    expect(await queue()).toBe(0);
    const first = await claimed();
    expect(first).toMatchObject({
      target: 'ops',
      attempt: 1,
      notification: { event: 'held', rollout: 'november', title: 'one', text: 'So it is.', facts: { percent: 10 } },
    });
    expect(first.notification).toMatchObject({ id: expect.stringMatching(/^msg_[\da-f-]{36}$/), createdAtMs: noonMs });
    expect(await claim()).toBeNull();
    expect(await ledger.notifications.record(first, { kind: 'delivered' }, noonMs)).toBe(false);
    const second = await claimed();
    expect(second.notification.title).toBe('two');
    expect(second.notification.id).not.toBe(first.notification.id);
    await ledger.notifications.record(second, { kind: 'delivered' }, noonMs);
    expect(await claim('ops', noonMs + giveUpAfterMs)).toBeNull();
  });

  test('of one rollout wait for the one that failed, those of others do not', async () => {
    for (const [title, rollout] of [
      ['one', 'november'],
      ['two', 'november'],
      ['three', 'december'],
      ['four', null],
    ] as const) {
      await add(title, rollout);
    }
    await queue();
    const first = await claimed();
    await ledger.notifications.record(first, failed, noonMs);
    expect(titles([await claim(), await claim(), await claim()])).toEqual(['three', 'four', undefined]);
    const again = await claimed('ops', noonMs + failed.retryInMs);
    expect(again).toMatchObject({ attempt: 2, notification: { id: first.notification.id } });
    await ledger.notifications.record(again, { kind: 'delivered' }, noonMs + failed.retryInMs);
    expect(titles([await claim('ops', noonMs + failed.retryInMs)])).toEqual(['two']);
  });

  test('that a dead process had claimed are delivered by another, with the same id', async () => {
    await add('one');
    await queue();
    const dead = await claimed();
    expect(await claim('ops', noonMs + leaseMs - 1)).toBeNull();
    const next = await claimed('ops', noonMs + leaseMs);
    expect(next.notification.id).toBe(dead.notification.id);
    // It was only slow: what it says now changes nothing, unless it has delivered.
    expect(await ledger.notifications.record(dead, { ...failed, retryInMs: 0 }, noonMs + leaseMs)).toBe(false);
    expect(await claim('ops', noonMs + leaseMs + 1)).toBeNull();
    await ledger.notifications.record(dead, { kind: 'delivered' }, noonMs + leaseMs);
    expect(await claim('ops', noonMs + 3 * leaseMs)).toBeNull();
  });

  test('are claimed by one of many processes', async () => {
    for (let index = 0; index < 5; index += 1) await add(`${index}`, `rollout ${index}`);
    await queue();
    const location = await opened.database.atRunTime('bellwether_worker');
    const others = await Promise.all([1, 2, 3].map(() => openLedger(location)));
    try {
      const rounds = Array.from({ length: 5 }, () => others).flat();
      const claims = await Promise.all(rounds.map((other) => other.notifications.claim('ops', leaseMs, noonMs)));
      const got = titles(claims.filter((each) => each !== null));
      expect(new Set(got).size).toBe(got.length);
      while ((await claim()) !== null) got.push('rest');
      expect(got).toHaveLength(5);
    } finally {
      await Promise.all(others.map((other) => other.close()));
    }
  });

  test('are not repeated within the given time, nor after what makes them superfluous', async () => {
    const within = { key: 'circuit', withinMs: 600_000 };
    const addAt = (atMs: number) => ledger.notifications.add(told('open'), within, atMs);
    expect(await addAt(noonMs)).toBe(true);
    expect(await addAt(noonMs + 599_999)).toBe(false);
    expect(await addAt(noonMs + 600_000)).toBe(true);
    expect(await add('80')).toBe(true);
    expect(await ledger.notifications.add(told('50'), { key: '50', orAfter: ['80'], ...once }, noonMs)).toBe(false);
    expect(await add('80', null, noonMs + giveUpAfterMs)).toBe(false);
  });

  test('that many processes add at once are told once', async () => {
    const added = await Promise.all(Array.from({ length: 8 }, () => add('same')));
    expect(added.filter(Boolean)).toHaveLength(1);
    expect(await queue()).toBe(1);
  });

  test('reach each target independently, if it wants them, and from when it was known', async () => {
    await add('before');
    await ledger.notifications.register(['ops', 'chat']);
    await add('after');
    expect(await queue('ops')).toBe(2);
    expect(await ledger.notifications.queue('chat', ({ event }) => event === 'budget', noonMs)).toBe(0);
    await add('later');
    expect(await queue('chat')).toBe(1);
    expect(titles([await claim('chat')])).toEqual(['later']);
    expect(titles([await claim('ops')])).toEqual(['before']);
  });

  test('are given up after a day, and then the next has its turn', async () => {
    await add('one');
    await add('two', 'november', noonMs + 1_000);
    await queue();
    const first = await claimed();
    const lateMs = noonMs + giveUpAfterMs - failed.retryInMs;
    expect(await ledger.notifications.record(first, failed, lateMs)).toBe(true);
    expect(await ledger.notifications.deliveries()).toMatchObject([
      { target: 'ops', delivered: 0, waiting: 1, givenUp: 1, lastError: 'answered 500', lastDeliveredAtMs: null },
    ]);
    expect(titles([await claim('ops', lateMs)])).toEqual(['two']);
  });

  test('that a target was not told of for a day are not news any more', async () => {
    await add('old');
    await add('new', null, noonMs + 1);
    expect(await queue('ops', noonMs + giveUpAfterMs)).toBe(1);
    expect(titles([await claim('ops', noonMs + giveUpAfterMs)])).toEqual(['new']);
  });

  test('are given up, the oldest first, when too many wait', async () => {
    const rows = Array.from({ length: maxWaitingDeliveries + 5 }, (_, index) => entry(index + 1));
    for (const row of rows) await ledger.rollouts.record(row, defaultArm);
    await ledger.notifications.collect(({ sequence }) => told(`${sequence}`), noonMs);
    await queue();
    expect(await ledger.notifications.deliveries()).toMatchObject([
      { waiting: maxWaitingDeliveries, givenUp: 5, lastError: expect.stringContaining('more than 1000') },
    ]);
    expect(titles([await claim()])).toEqual(['6']);
  }, 120_000);

  test('come from every audit row once, whichever process collects it, and none from before the first target', async () => {
    const location = await opened.database.atRunTime('bellwether_worker');
    const other = await openLedger(location);
    try {
      const describe = ({ position, reason }: AuditRow) => (position === 2 ? null : told(reason));
      for (let sequence = 1; sequence <= 120; sequence += 1) {
        await ledger.rollouts.record(entry(sequence, { reason: `${sequence}` }), defaultArm);
      }
      await Promise.all([ledger, other, ledger].map((each) => each.notifications.collect(describe, noonMs)));
      expect(await queue()).toBe(119);
      expect(await ledger.notifications.collect(describe, noonMs)).toBe(0);
      await ledger.notifications.register(['late']);
      expect(await queue('late')).toBe(0);
      const all: string[] = [];
      for (let next = await claim(); next !== null; next = await claim()) {
        all.push(next.notification.title);
        await ledger.notifications.record(next, { kind: 'delivered' }, noonMs);
      }
      expect(all).toEqual(Array.from({ length: 120 }, (_, index) => `${index + 1}`).filter((each) => each !== '2'));
    } finally {
      await other.close();
    }
  }, 60_000);

  test('of a rollout that ran while nobody was to be told begin with the first target', async () => {
    const fresh = await openTestLedger(databases);
    try {
      const { notifications, rollouts } = fresh.ledger;
      await rollouts.record(entry(1), defaultArm);
      await notifications.register(['ops']);
      await rollouts.record(entry(2, { reason: 'new' }), defaultArm);
      expect(await notifications.collect(({ reason }) => told(reason), noonMs)).toBe(1);
      expect(await notifications.collect(({ reason }) => told(reason), noonMs)).toBe(0);
    } finally {
      await fresh.close();
    }
  });

  test('from audit rows of a day ago are left out', async () => {
    await ledger.rollouts.record(entry(1, { atMs: noonMs }), defaultArm);
    await ledger.rollouts.record(entry(2, { atMs: noonMs + 1 }), defaultArm);
    expect(await ledger.notifications.collect(({ sequence }) => told(`${sequence}`), noonMs + giveUpAfterMs)).toBe(2);
    expect(await queue('ops', noonMs + giveUpAfterMs)).toBe(1);
  });

  test('are forgotten after a week with their deliveries', async () => {
    await add('one');
    await queue();
    expect(await ledger.notifications.prune(noonMs + 7 * giveUpAfterMs)).toBe(0);
    expect(await ledger.notifications.prune(noonMs + 7 * giveUpAfterMs + 1)).toBe(1);
    expect(await ledger.notifications.deliveries()).toEqual([]);
    expect(await claim('ops', noonMs + giveUpAfterMs)).toBeNull();
  });

  test('reach a target that comes back after everything it missed was forgotten', async () => {
    await ledger.notifications.register(['other']);
    for (const title of ['one', 'two']) await add(title);
    const backMs = noonMs + 8 * giveUpAfterMs;
    expect(await ledger.notifications.prune(backMs)).toBe(2);
    expect(await queue('ops', backMs)).toBe(0);
    await add('three', null, backMs);
    expect(await queue('ops', backMs)).toBe(1);
    expect(titles([await claim('ops', backMs)])).toEqual(['three']);
  });

  test('go on after the last rows of the audit trail were cut off', async () => {
    for (const sequence of [1, 2, 3]) await ledger.rollouts.record(entry(sequence), defaultArm);
    await opened.database.query('delete from rollout_audit where position > 1 returning position');
    const collect = () => ledger.notifications.collect(({ sequence }) => told(`${sequence}`), noonMs);
    expect(await collect()).toBe(1);
    await ledger.rollouts.record(entry(2), defaultArm);
    expect(await collect()).toBe(1);
    expect(await queue()).toBe(2);
  });
});
