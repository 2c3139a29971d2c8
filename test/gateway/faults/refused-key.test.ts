import { writeFileSync } from 'node:fs';
import { wordsOfHistory } from '../../support/history-words';
import { manners } from './ask';
import { providerKey, startFaultsSetting, type FaultsSetting } from './setting';

const newKey = 'sk-rotated-77aa03c1d2e94b58';
const wrongKey = 'sk-mistyped-0c9be1f4a6d34721';

let setting: FaultsSetting;
beforeEach(async () => {
  setting = await startFaultsSetting();
});
afterEach(() => setting.stop());

const statuses = async () => (await setting.primary.calls()).map(({ status }) => status);

async function expectSecrecy(turnId: string): Promise<void> {
  const words = await wordsOfHistory(setting.service.temporal, `turn/${turnId}`);
  const kept = setting.logged.join('') + words + JSON.stringify(await setting.rows(turnId));
  for (const key of [providerKey, newKey, wrongKey]) expect(kept).not.toContain(key);
}

test.each(manners)(
  'a key that was rotated meanwhile is read again, once, and a %s request is answered',
  async (manner) => {
    await setting.primary.setApiKeys([newKey]);
    writeFileSync(setting.keyFile, `${newKey}\n`);
    const asked = await setting.ask(manner);
    expect(asked).toMatchObject({ status: 200, answeredBy: 'primary', attempts: 1 });
    expect(await statuses()).toEqual([401, 200]);
    expect(await setting.rows(asked.turnId)).toMatchObject([{ state: 'settled', outcome: 'answered' }]);

    await setting.primary.clearCalls();
    await setting.ask(manner);
    expect(await statuses()).toEqual([200]);
    await expectSecrecy(asked.turnId);
  },
);

test('many requests that meet a rotated key at the same time are all answered', async () => {
  await setting.primary.setApiKeys([newKey]);
  writeFileSync(setting.keyFile, newKey);
  const all = await Promise.all(Array.from({ length: 10 }, () => setting.ask('streamed')));
  expect(all.map(({ answeredBy }) => answeredBy)).toEqual(Array<string>(10).fill('primary'));
});

test.each(manners)(
  'a %s request goes to the next target when the key that was read again is wrong, too',
  async (manner) => {
    await setting.primary.setApiKeys([newKey]);
    writeFileSync(setting.keyFile, wrongKey);
    const asked = await setting.ask(manner);
    expect(asked).toMatchObject({ status: 200, answeredBy: 'fallback', attempts: 2 });
    expect(await statuses()).toEqual([401, 401]);
    expect(asked.raw).not.toContain(wrongKey);
    await expectSecrecy(asked.turnId);
  },
);

test.each(manners)(
  'where no provider takes its key a %s request gets a clear error, without a key in it',
  async (manner) => {
    await setting.primary.setApiKeys([newKey]);
    await setting.fallback.setApiKeys([newKey]);
    writeFileSync(setting.keyFile, wrongKey);
    const asked = await setting.ask(manner);
    expect(asked).toMatchObject({ status: 502, error: { code: 'provider_unauthorized' } });
    expect(asked.error?.message).toContain('check the key');
    for (const key of [providerKey, newKey, wrongKey]) expect(asked.raw).not.toContain(key);
    await expectSecrecy(asked.turnId);

    // The file is put right while the service runs.
    await setting.fallback.setApiKeys(null);
    writeFileSync(setting.keyFile, newKey);
    await setting.primary.clearCalls();
    expect(await setting.ask(manner)).toMatchObject({ answeredBy: 'primary' });
  },
);

test.each(['', 'two words'])('a key file that holds %j for a moment changes nothing', async (content) => {
  writeFileSync(setting.keyFile, content);
  await setting.primary.setApiKeys([providerKey]);
  expect(await setting.ask('plain')).toMatchObject({ answeredBy: 'primary' });
  expect(await statuses()).toEqual([200]);
});
