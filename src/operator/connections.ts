import { connect } from 'node:net';
import { status as grpcStatus } from '@grpc/grpc-js';
import { Connection, type ConnectionOptions, isGrpcServiceError } from '@temporalio/client';
import { readConnectionSettings } from '../config/connection-settings';
import { checkLedgerDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import type { Settings, TemporalSettings } from '../config/settings';
import { errorMessage } from '../contract/failures';
import type { Ledger } from '../contract/ledger';

const whatToDo = '. Start it (`bellwether up` starts one), or set TEMPORAL_ADDRESS.';

/**
 * A connection of one's own, to be closed. Throws an error that says where nobody answered, and then `advice`, which
 * `doctor` leaves out for its own.
 */
export async function connectToTemporal(temporal: TemporalSettings, advice = whatToDo): Promise<Connection> {
  const { address, connectionOptions } = temporal;
  try {
    return await Connection.connect({
      ...(connectionOptions as ConnectionOptions),
      ...(address !== undefined && { address }),
      connectTimeout: await connectPatienceMs(address),
    });
  } catch (error) {
    throw new Error(`Temporal does not answer at ${address} (${errorMessage(error)})${advice}`, { cause: error });
  }
}

/** As Temporal Cloud answers what its own web page is for. */
export function isNotAllowed(error: unknown): boolean {
  return isGrpcServiceError(error) && [grpcStatus.PERMISSION_DENIED, grpcStatus.UNIMPLEMENTED].includes(error.code);
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
 * Opens the ledger for one command. An older one is not migrated, which is for workers and `bellwether setup`; and where
 * there is none, none is made: `whenAbsent` says what to do then, and gets the database's name.
 */
export async function withLedger<T, Absent>(
  work: (ledger: Ledger, settings: Settings) => Promise<T>,
  whenAbsent: (database: string, settings: Settings) => Absent | Promise<Absent>,
): Promise<T | Absent> {
  const settings = loadSettings();
  checkLedgerDirectory(settings);
  const { LedgerNotMigratedError, openLedger } = await import('../ledger/open-ledger');
  let ledger: Ledger;
  try {
    ledger = await openLedger(settings, { migrate: false });
  } catch (error) {
    if (error instanceof LedgerNotMigratedError && error.isAbsent) return whenAbsent(error.database, settings);
    throw error;
  }
  try {
    return await work(ledger, settings);
  } finally {
    await ledger.close();
  }
}
