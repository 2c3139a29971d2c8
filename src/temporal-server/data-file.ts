import { execFile } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { z } from 'zod';
import { makePrivateDirectory, replacePrivateFile } from '../platform/private-directory';
import { tryLockFile } from './file-lock';

/** A leftover server stops within a second; after this timeout it is killed. */
const leftOverStopTimeoutMs = 10_000;
const pollIntervalMs = 50;

const runningServer = z.object({ pid: z.number(), address: z.string() });
type RunningServer = z.infer<typeof runningServer>;

/** The embedded server's database, which holds the state of all turns. */
export function embeddedDataFile(dataDirectory: string): string {
  return join(dataDirectory, 'temporal.db');
}

/** `host:port` of the server that `up` runs on this data directory, for other commands. */
export function embeddedServerAddress(dataDirectory: string): string | undefined {
  return readRunningServer(`${embeddedDataFile(dataDirectory)}.server.json`)?.address;
}

/** The right to run a server on a data file. */
export interface DataFileClaim {
  recordServer(server: RunningServer): void;
  /** The server can be used: its file holds the whole schema. */
  recordComplete(): void;
  release(): void;
}

/** Another process runs a server on this file. */
export class DataFileInUseError extends Error {
  override readonly name = 'DataFileInUseError';

  constructor(
    readonly dataFile: string,
    /** Undefined when that server is not known yet. */
    readonly running: RunningServer | undefined,
  ) {
    const who = running === undefined ? '' : ` (process ${running.pid}, at ${running.address})`;
    super(`A Temporal server is already running on ${dataFile}${who}. Stop it first, or use another data directory.`);
  }
}

/**
 * Ensures that only one server uses the file; SQLite alone would allow several. Stops a server whose owner died, and
 * removes a file whose first start was interrupted, because its schema is incomplete.
 */
export async function claimDataFile(dataFile: string, log?: (message: string) => void): Promise<DataFileClaim> {
  if (/[?#%]/.test(dataFile)) {
    throw new Error(`Temporal cannot use a data file with "?", "#" or "%" in its path: ${dataFile}`);
  }
  makePrivateDirectory(dirname(dataFile));
  const serverFile = `${dataFile}.server.json`;
  const unfinishedFile = `${dataFile}.unfinished`;
  const lock = tryLockFile(`${dataFile}.lock`);
  if (lock === undefined) throw new DataFileInUseError(dataFile, readRunningServer(serverFile));
  try {
    const leftOver = readRunningServer(serverFile);
    if (leftOver !== undefined && (await isServerOn(leftOver.pid, dataFile))) {
      log?.(`Stopping a Temporal server (process ${leftOver.pid}) that its owner left behind.`);
      await stopLeftOver(leftOver.pid, dataFile);
    }
    if (existsSync(unfinishedFile)) removeDatabase(dataFile);
    if (!existsSync(dataFile)) writeFileSync(unfinishedFile, '');
  } catch (error) {
    lock.release();
    throw error;
  }
  return {
    recordServer({ pid, address }) {
      replacePrivateFile(serverFile, JSON.stringify({ pid, address }));
    },
    recordComplete() {
      rmSync(unfinishedFile, { force: true });
    },
    release() {
      rmSync(serverFile, { force: true });
      lock.release();
    },
  };
}

/**
 * The server last started on the file; it may have died since. Undefined if the record is empty or broken, as after a power
 * failure, which also ended the server.
 */
function readRunningServer(serverFile: string): RunningServer | undefined {
  if (!existsSync(serverFile)) return undefined;
  try {
    return runningServer.parse(JSON.parse(readFileSync(serverFile, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

function removeDatabase(dataFile: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(dataFile + suffix, { force: true });
}

/** Checks the command line, because the process id may have been reused. */
async function isServerOn(pid: number, dataFile: string): Promise<boolean> {
  return promisify(execFile)('ps', ['-ww', '-o', 'command=', '-p', String(pid)]).then(
    ({ stdout }) => stdout.includes('start-dev') && stdout.includes(dataFile),
    () => false, // ps fails when there is no such process
  );
}

async function stopLeftOver(pid: number, dataFile: string): Promise<void> {
  process.kill(pid, 'SIGTERM');
  const deadlineMs = Date.now() + leftOverStopTimeoutMs;
  while (await isServerOn(pid, dataFile)) {
    if (Date.now() > deadlineMs) process.kill(pid, 'SIGKILL');
    await sleep(pollIntervalMs);
  }
}
