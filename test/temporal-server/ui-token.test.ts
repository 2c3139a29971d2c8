import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uiToken } from '../../src/temporal-server/guarded-ui';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ui-token-'));
});
afterEach(() => rm(directory, { recursive: true }));

test('is kept, for its owner alone', async () => {
  const first = await uiToken(directory);
  expect(await uiToken(directory)).toBe(first);
  expect((await stat(join(directory, 'temporal-ui-token'))).mode & 0o777).toBe(0o600);
});

test.each(['', '\n', 'short', 'x'.repeat(44)])('is made anew when its file holds %j', async (text) => {
  await writeFile(join(directory, 'temporal-ui-token'), text);
  expect(await uiToken(directory)).toMatch(/^[\w-]{43}$/);
});
