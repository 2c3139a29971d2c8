import type { Connection } from '@temporalio/client';
import { temporal } from '@temporalio/proto';

const { INDEXED_VALUE_TYPE_KEYWORD } = temporal.api.enums.v1.IndexedValueType;

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
