import { mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimDataFile, embeddedDataFile, embeddedServerAddress } from '../../src/temporal-server/data-file';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bellwether-data-file-'));
});
afterEach(() => rm(directory, { recursive: true }));

test.each([
  ['empty', ''],
  ['cut off', '{"pid":12,"addr'],
  ['of another shape', '{"process":12}'],
])('a note of the last server that is %s keeps nothing from starting', async (_, content) => {
  const dataFile = embeddedDataFile(directory);
  writeFileSync(`${dataFile}.server.json`, content);
  expect(embeddedServerAddress(directory)).toBeUndefined();
  const claim = await claimDataFile(dataFile);
  claim.recordServer({ pid: process.pid, address: '127.0.0.1:7233' });
  expect(embeddedServerAddress(directory)).toBe('127.0.0.1:7233');
  claim.release();
});

test('the note is for its owner only, and written in one step', async () => {
  const dataFile = embeddedDataFile(directory);
  const claim = await claimDataFile(dataFile);
  claim.recordServer({ pid: process.pid, address: '127.0.0.1:7233' });
  expect(statSync(`${dataFile}.server.json`).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory).filter((name) => name.endsWith('.new'))).toEqual([]);
  claim.release();
});
