import { Connection, isGrpcServiceError, type ConnectionOptions } from '@temporalio/client';
import { reasonOf } from '../reason';
import type { TemporalSettings } from '../config/settings';
import { connectPatienceMs } from './connect-patience';

const grpcNotFound = 5;
const grpcPermissionDenied = 7;
const grpcUnimplemented = 12;

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
    throw new Error(`Temporal does not answer at ${address} (${reasonOf(error)})${advice}`, { cause: error });
  }
}

export function isNotFound(error: unknown): boolean {
  return isGrpcServiceError(error) && (error.code as number) === grpcNotFound;
}

/** As Temporal Cloud answers what its own web page is for. */
export function isNotAllowed(error: unknown): boolean {
  return isGrpcServiceError(error) && [grpcPermissionDenied, grpcUnimplemented].includes(error.code);
}
