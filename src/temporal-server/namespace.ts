import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';

const { INDEXED_VALUE_TYPE_KEYWORD } = temporal.api.enums.v1.IndexedValueType;

/**
 * The first start creates the schema, in under a second on an idle machine. A server that fails exits, which is noticed
 * at once; only one that hangs takes this long.
 */
const readyTimeoutMs = 5 * 60_000;
/** Short compared with the 0.4 s of a start; by default, gRPC waits a second before it reconnects. */
const pollIntervalMs = 50;
/** A server that listens but does not answer is asked again with twice the timeout: a busy machine may need it. */
const firstRequestTimeoutMs = 5_000;

/**
 * Returns when the namespace and its search attributes are ready. Adds attributes that a data file from an earlier
 * version lacks. Aborting `signal` ends the wait and throws its reason.
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

/** The wanted search attributes that the namespace lacks. */
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

/** Registers the missing search attributes and returns their names. Safe to repeat. */
export async function addMissingSearchAttributes(
  connection: Connection,
  namespace: string,
  wanted: readonly string[],
): Promise<readonly string[]> {
  const missing = await missingSearchAttributes(connection, namespace, wanted);
  if (missing.length > 0) await addSearchAttributes(connection, namespace, missing);
  return missing;
}
