import { connect } from 'node:net';
import type { Connection } from '@temporalio/client';
import { openConnection } from '../client/connect';
import { readConnectionSettings } from '../config/connection-settings';
import { checkLedgerDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import type { Settings, TemporalSettings } from '../config/settings';
import type { Ledger } from '../contract/ledger';

/**
 * A connection of one's own, to be closed, with the patience of somebody who waits for a command. `advice` ends the error's
 * message; left out, it says how to start Temporal.
 * @throws {TemporalUnreachableError}
 */
export async function connectToTemporal(temporal: TemporalSettings, advice?: string): Promise<Connection> {
  return openConnection(temporal, await connectPatienceMs(temporal.address), advice);
}

/** A TLS handshake over a slow line takes a second or two, and a busy machine may stand still for some more. */
const patienceMs = 10_000;

/** A person is waiting, but gRPC may know a way round, such as a proxy: enough for one handshake. */
const patienceForNobodyMs = 3_000;

const maxPort = 65_535;

/**
 * How long a command waits for Temporal's first answer, in milliseconds: not for long where nobody listens, which is an
 * address that refuses, is unknown or has been silent for as long as anybody is waited for. Default: at the configured
 * address.
 */
export async function connectPatienceMs(address = readConnectionSettings().temporal.address): Promise<number> {
  const [, host, port] = address?.match(/^\[?([\w.:-]+?)\]?:(\d+)$/) ?? [];
  // Whatever else gRPC takes for an address, or refuses in its own words.
  if (host === undefined || Number(port) > maxPort) return patienceMs;
  const socket = connect({ host, port: Number(port), timeout: patienceMs });
  const isNobodyThere = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(false));
    for (const event of ['error', 'timeout']) socket.once(event, () => resolve(true));
  });
  socket.destroy();
  return isNobodyThere ? patienceForNobodyMs : patienceMs;
}

/**
 * Opens the ledger as it is: an older one is not migrated, which is for workers and `bellwether setup`; and where there is
 * none, none is made: `whenAbsent` says what to do then, and gets the database's name.
 */
export async function openLedgerIfAny<Absent>(
  settings: Settings,
  whenAbsent: (database: string) => Absent | Promise<Absent>,
): Promise<Ledger | Absent> {
  checkLedgerDirectory(settings);
  const { LedgerNotMigratedError, openLedger } = await import('../ledger/open-ledger');
  try {
    return await openLedger(settings, { migrate: false });
  } catch (error) {
    if (error instanceof LedgerNotMigratedError && error.isAbsent) return whenAbsent(error.database);
    throw error;
  }
}

/** Opens the ledger for one piece of work; see `openLedgerIfAny`. */
export async function withLedger<T, Absent>(
  work: (ledger: Ledger, settings: Settings) => Promise<T>,
  whenAbsent: (database: string, settings: Settings) => Absent | Promise<Absent>,
): Promise<T | Absent> {
  const settings = loadSettings();
  const opened = await openLedgerIfAny(settings, async (database) => ({
    absent: await whenAbsent(database, settings),
  }));
  if ('absent' in opened) return opened.absent;
  try {
    return await work(opened, settings);
  } finally {
    await opened.close();
  }
}
