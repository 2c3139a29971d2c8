import { chmodSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareDataDirectory } from '../../src/config/data-directory';
import { openLedger } from '../../src/ledger/open-ledger';

let parent: string;
let directory: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'bellwether-private-'));
  directory = join(parent, 'data');
});
afterEach(() => rm(parent, { recursive: true }));

const modeOf = (...path: readonly string[]) => statSync(join(directory, ...path)).mode & 0o7777;

test('a data directory and its files are closed to others, even if they were open before', () => {
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  const files = ['ledger.db', 'ledger.db-wal', 'temporal.db', 'temporal.db.server.json', 'local-api-key'];
  for (const name of files) {
    writeFileSync(join(directory, name), 'content');
    chmodSync(join(directory, name), 0o644);
  }
  prepareDataDirectory(directory);
  expect(modeOf()).toBe(0o700);
  for (const name of files) expect([name, modeOf(name)]).toEqual([name, 0o600]);
});

test('a directory with other files is left open for them, and only our files are closed', () => {
  mkdirSync(directory);
  chmodSync(directory, 0o755);
  for (const name of ['ledger.db', 'notes.txt']) writeFileSync(join(directory, name), 'content', { mode: 0o644 });
  prepareDataDirectory(directory);
  expect([modeOf(), modeOf('ledger.db'), modeOf('notes.txt')]).toEqual([0o755, 0o600, 0o644]);
});

test('a directory that everybody shares stays so, and it is said', () => {
  mkdirSync(directory);
  chmodSync(directory, 0o1777);
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  try {
    prepareDataDirectory(directory);
    expect(modeOf()).toBe(0o1777);
    expect(warn).toHaveBeenCalledWith(expect.stringContaining(directory));
  } finally {
    warn.mockRestore();
  }
});

test('the ledger and what SQLite puts beside it are for their owner only', async () => {
  const umask = process.umask(0o022);
  try {
    prepareDataDirectory(directory);
    const ledger = await openLedger({ dataDirectory: directory });
    await ledger.check();
    for (const name of ['ledger.db', 'ledger.db-wal', 'ledger.db-shm'])
      expect([name, modeOf(name)]).toEqual([name, 0o600]);
    await ledger.close();
  } finally {
    process.umask(umask);
  }
});
