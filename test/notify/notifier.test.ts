import type { Ledger } from '../../src/contract/ledger';
import type { NewNotification } from '../../src/contract/notifications';
import { openLedger } from '../../src/ledger/open-ledger';
import { Notifier, type NotifierOptions } from '../../src/notify/notifier';
import { defaultArm, entry } from '../ledger/rollout-entries';
import { eventually } from '../support/eventually';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { answers, Receiver, targetAt } from './receiver';

const once = { withinMs: Infinity };

const told = (title: string, rollout: string | null = 'november'): NewNotification => ({
  event: 'held',
  rollout,
  title,
  text: 'So it is.',
  facts: {},
});

describeOnEachDatabase('a notifier', (databases) => {
  let ledger: Ledger;
  let opened: TestLedger;
  let receiver: Receiver;
  const notifiers: Notifier[] = [];
  const warnings: string[] = [];

  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
    receiver = await Receiver.start();
    warnings.length = 0;
  });
  afterEach(async () => {
    await Promise.all(notifiers.splice(0).map((notifier) => notifier.stop()));
    await receiver.kill();
    await opened.close();
  });

  async function start(over: Partial<NotifierOptions> = {}): Promise<Notifier> {
    const notifier = new Notifier({
      notifications: ledger.notifications,
      targets: [targetAt(receiver.url)],
      onError: (error) => {
        throw error;
      },
      warn: (message) => warnings.push(message),
      pollMs: 10,
      firstRetryMs: 10,
      ...over,
    });
    notifiers.push(notifier);
    await notifier.start();
    return notifier;
  }

  const add = (title: string, rollout?: string | null) =>
    ledger.notifications.add(told(title, rollout), { key: title, ...once });
  const deliveriesOf = async (target: string) =>
    (await ledger.notifications.deliveries()).find((each) => each.target === target);
  const delivered = (count: number, target = 'ops') =>
    eventually(`${count} deliveries to ${target}`, async () => (await deliveriesOf(target))?.delivered === count);

  const now = () => Date.now();

  test('tells every decision of a rollout in order, and leaves out what changes nothing', async () => {
    await start();
    const actions = ['start', 'wait', 'advance', 'refuse', 'pause', 'resume', 'exclude', 'hold', 'roll-back'] as const;
    for (const [index, action] of actions.entries()) {
      const reason = `Because of ${action}.`;
      await ledger.rollouts.record(entry(index + 1, { action, reason, atMs: now(), percent: 10 }), defaultArm);
    }
    await delivered(6);
    const bodies = receiver.received.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
    expect(bodies.map(({ type, text }) => [type, text])).toEqual([
      ['started', 'Because of start.'],
      ['advanced', 'Because of advance.'],
      ['paused', 'Because of pause.'],
      ['resumed', 'Because of resume.'],
      ['held', 'Because of hold.'],
      ['rolled-back', 'Because of roll-back.'],
    ]);
    expect(bodies[1]).toMatchObject({
      version: 1,
      rollout: 'november',
      title: 'Rollout november has advanced to 10% on holysheep',
      link: null,
      data: { sequence: 3, percent: 10, baselineArm: 'legacy', canaryArm: 'holysheep', actor: 'bellwether' },
    });
  });

  test('tries again until the receiver accepts, with the same id and body', async () => {
    receiver.answer = answers.status(500);
    await start();
    await add('one');
    await eventually('three attempts', () => receiver.received.length >= 3);
    expect((await deliveriesOf('ops'))?.lastError).toBe('it answered 500');
    receiver.answer = answers.ok;
    await delivered(1);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    expect(warnings).toEqual(['ops could not be told "one": it answered 500. It is tried again for a day.']);
  });

  test('keeps the order of a rollout while the receiver fails, is killed and comes back', async () => {
    await start();
    let answered = 0;
    receiver.answer = (response) => (++answered % 3 === 0 ? answers.ok(response) : response.destroy());
    for (const title of ['1', '2', '3']) await add(title);
    await eventually('the first is told', () => receiver.received.length > 1);
    await receiver.kill();
    for (const title of ['4', '5']) await add(title);
    await eventually('it is missed', async () => (await deliveriesOf('ops'))?.lastError === 'it refuses connections');
    receiver.answer = answers.ok;
    await receiver.start();
    await delivered(5);
    const firstTold = [...new Set(receiver.titles)];
    expect(firstTold).toEqual(['1', '2', '3', '4', '5']);
    // None is repeated after a later one: each waits until the one before it is through.
    expect(receiver.titles.toSorted()).toEqual(receiver.titles);
  });

  test('does not let a target that hangs hold up another target, or a decision', async () => {
    const other = await Receiver.start();
    receiver.answer = answers.hang;
    await start({ targets: [targetAt(receiver.url), targetAt(other.url, { name: 'chat' })] });
    await add('one');
    await eventually('it hangs', () => receiver.received.length === 1);
    await ledger.rollouts.record(entry(1, { atMs: now() }), defaultArm);
    await delivered(2, 'chat');
    expect(other.titles[0]).toBe('one');
    expect(receiver.received).toHaveLength(1);
    await other.kill();
  });

  test('of two workers delivers each once', async () => {
    const second = await openLedger(await opened.database.atRunTime('bellwether_worker'));
    try {
      await start();
      const other = await start({ notifications: second.notifications });
      for (let index = 0; index < 20; index += 1) await add(`${index}`, `rollout ${index % 4}`);
      for (let sequence = 1; sequence <= 5; sequence += 1) {
        await ledger.rollouts.record(entry(sequence, { action: 'hold', atMs: now() }), defaultArm);
      }
      await delivered(25);
      expect(receiver.received).toHaveLength(25);
      await other.stop();
    } finally {
      await second.close();
    }
  });

  test('tells again, with the same id, what a worker told before it died without writing it down', async () => {
    let isDead = false;
    const { notifications } = ledger;
    const dying = Object.create(notifications, {
      record: { value: () => ((isDead = true), Promise.reject(new Error('killed'))) },
      claim: {
        value: (...args: Parameters<typeof notifications.claim>) => (isDead ? null : notifications.claim(...args)),
      },
    }) as typeof notifications;
    const first = await start({ notifications: dying, leaseMs: 200, onError: () => undefined });
    await add('one');
    await eventually('the first worker has died', () => isDead);
    await first.stop();
    expect((await deliveriesOf('ops'))?.waiting).toBe(1);
    await start({ leaseMs: 200 });
    await delivered(1);
    expect(receiver.titles).toEqual(['one', 'one']);
    const [before, after] = receiver.received;
    expect(after?.headers['webhook-id']).toBe(before?.headers['webhook-id']);
  });

  test('gives up after a day, and tells the other targets of it', async () => {
    const other = await Receiver.start();
    receiver.answer = answers.status(404);
    await ledger.notifications.register(['ops', 'chat']);
    const dayMs = 24 * 60 * 60 * 1000;
    await ledger.notifications.add(told('one'), { key: 'one', ...once }, now() - dayMs + 2_000);
    await start({
      targets: [targetAt(receiver.url), targetAt(other.url, { name: 'chat', events: new Set(['undelivered']) })],
    });
    await delivered(1, 'chat');
    expect(other.titles).toEqual(['ops could not be told something for a day']);
    expect(await deliveriesOf('ops')).toMatchObject({ waiting: 0, givenUp: 1, lastError: 'it answered 404' });
    expect(warnings.at(-1)).toBe('ops could not be told "one" for a day; it is given up.');
    await other.kill();
  });

  test('that stops leaves the attempt that hangs to the next worker', async () => {
    receiver.answer = answers.hang;
    const first = await start();
    await add('one');
    await eventually('it hangs', () => receiver.received.length === 1);
    await first.stop();
    expect((await deliveriesOf('ops'))?.waiting).toBe(1);
    receiver.answer = answers.ok;
    await start();
    await delivered(1);
  });

  test('tells only what its target wants to hear', async () => {
    await start({ targets: [targetAt(receiver.url, { events: new Set(['budget']) })] });
    await add('held');
    await ledger.notifications.add({ ...told('budget'), event: 'budget' }, { key: 'budget', ...once });
    await delivered(1);
    expect(receiver.titles).toEqual(['budget']);
  });
});
