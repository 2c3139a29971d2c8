import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';

const { INDEXED_VALUE_TYPE_KEYWORD } = temporal.api.enums.v1.IndexedValueType;

/**
 * A first start creates the schema, in under a second on a quiet machine. A server that fails ends, which is noticed at
 * once: only one that hangs is waited for so long.
 */
const readyTimeoutMs = 5 * 60_000;
/** Short against the 0.4 s that a start takes; gRPC by itself waits a second before it connects again. */
const pollIntervalMs = 50;
/** A server that listens but does not answer is asked again, and given twice as long: a busy machine may need it. */
const firstRequestTimeoutMs = 5_000;

/**
 * Returns when the server answers for the namespace and its search attributes can be used. A data file from an earlier
 * version may lack attributes: they are added. `signal` ends the wait, by throwing its reason.
 */
export async function waitUntilReady(options: {
  readonly address: string;
  readonly namespace: string;
  readonly searchAttributes: readonly string[];
  readonly signal: AbortSignal;
}): Promise<void> {
  const { address, namespace, searchAttributes, signal } = options;
  const connection = Connection.lazy({ address, channelArgs: { 'grpc.initial_reconnect_backoff_ms': pollIntervalMs } });
  const deadlineMs = Date.now() + readyTimeoutMs;
  let requestTimeoutMs = firstRequestTimeoutMs;
  try {
    for (;;) {
      signal.throwIfAborted();
      const limit = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]);
      try {
        await connection.withAbortSignal(limit, () => prepareNamespace(connection, namespace, searchAttributes));
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (limit.aborted) requestTimeoutMs *= 2;
        if (Date.now() > deadlineMs) {
          const seconds = readyTimeoutMs / 1000;
          throw new Error(`it was not ready at ${address} within ${seconds} s`, { cause: error });
        }
      }
      await sleep(pollIntervalMs);
    }
  } finally {
    await connection.close();
  }
}

async function prepareNamespace(connection: Connection, namespace: string, searchAttributes: readonly string[]) {
  await connection.workflowService.describeNamespace({ namespace });
  await addMissingSearchAttributes(connection, namespace, searchAttributes);
  const missing = await missingSearchAttributes(connection, namespace, searchAttributes);
  if (missing.length > 0) throw new Error(`search attributes are not registered yet: ${missing.join(', ')}`);
}

/** Names of those wanted that the namespace does not have yet. */
export async function missingSearchAttributes(
  connection: Connection,
  namespace: string,
  wanted: readonly string[],
): Promise<readonly string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return wanted.filter((name) => customAttributes?.[name] === undefined);
}

/** Registers them as Keyword. */
export async function addSearchAttributes(
  connection: Connection,
  namespace: string,
  names: readonly string[],
): Promise<void> {
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(names.map((name) => [name, INDEXED_VALUE_TYPE_KEYWORD])),
  });
}

/** Registers what is missing. Returns the names that were added; may be called again at any time. */
export async function addMissingSearchAttributes(
  connection: Connection,
  namespace: string,
  wanted: readonly string[],
): Promise<readonly string[]> {
  const missing = await missingSearchAttributes(connection, namespace, wanted);
  if (missing.length > 0) await addSearchAttributes(connection, namespace, missing);
  return missing;
}
