import { keptForMs, maxBytesOfKey } from '../../src/contract/images';
import type { Ledger } from '../../src/contract/ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import { noonMs } from './requests';

const hourMs = 60 * 60 * 1000;
const image = (id: string, size = 3, data = Buffer.from(id)) => ({ id, size, data });

describeOnEachDatabase('pictures', (databases) => {
  let ledger: Ledger;
  let opened: TestLedger;
  beforeEach(async () => {
    opened = await openTestLedger(databases);
    ({ ledger } = opened);
  });
  afterEach(() => opened.close());

  const kept = async (keyId: string, atMs: number) =>
    [...(await ledger.images.use(keyId, ['a', 'b', 'c'], atMs)).keys()].toSorted();

  test('come back byte by byte, to their key alone', async () => {
    const data = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 256));
    await ledger.images.add('key', image('a', data.length, data), noonMs);
    expect(Buffer.from((await ledger.images.read('key', 'a')) ?? []).equals(data)).toBe(true);
    expect(await ledger.images.read('other', 'a')).toBeNull();
    expect(await ledger.images.use('key', ['a', 'b'], noonMs)).toEqual(new Map([['a', 300_000]]));
    expect(await ledger.images.use('key', [], noonMs)).toEqual(new Map());
  });

  test('that come at the same time from two gateways are one', async () => {
    await Promise.all([1, 2, 3].map(() => ledger.images.add('key', image('a'), noonMs)));
    expect(await kept('key', noonMs)).toEqual(['a']);
  });

  test('stay for three days after their last use, and are then pruned', async () => {
    for (const id of ['a', 'b']) await ledger.images.add('key', image(id), noonMs);
    expect([...(await ledger.images.use('key', ['a'], noonMs + 2 * hourMs)).keys()]).toEqual(['a']);
    const endMs = noonMs + keptForMs + hourMs;
    expect(await kept('key', endMs)).toEqual(['a']);
    expect(await ledger.images.prune(endMs)).toBe(1);
    expect(await ledger.images.prune(endMs + keptForMs)).toBe(1);
    expect(await ledger.images.read('key', 'a')).toBeNull();
  });

  test('by the hundred are pruned to the last', async () => {
    const many = Array.from({ length: 250 }, (_, index) => image(`i-${index}`));
    for (const one of many) await ledger.images.add('key', one, noonMs);
    expect(await ledger.images.prune(noonMs + keptForMs)).toBe(250);
  });

  test('of a key that has too many leave with the one that was not used for longest', async () => {
    const third = Math.floor(maxBytesOfKey / 3);
    await ledger.images.add('key', image('a', third), noonMs);
    await ledger.images.add('key', image('b', third), noonMs + hourMs);
    await ledger.images.add('other', image('a', third), noonMs);
    await ledger.images.use('key', ['a'], noonMs + 2 * hourMs);
    await ledger.images.add('key', image('c', third + 10), noonMs + 3 * hourMs);
    expect(await kept('key', noonMs + 3 * hourMs)).toEqual(['a', 'c']);
    expect(await kept('other', noonMs)).toEqual(['a']);
  });
});
