export type Closing = () => Promise<unknown>;

/**
 * Closes resources in reverse order and empties the list, so that nothing is closed twice. If one fails, the others are
 * closed all the same, and the first failure is thrown at the end.
 */
export async function closeAll(closings: Closing[]): Promise<void> {
  const failures: unknown[] = [];
  for (const close of closings.splice(0).toReversed()) {
    await close().catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

/** For the `catch` of a function that opens several resources: closes those that are open and rethrows `error`, even if closing fails. */
export async function closeAllAndThrow(
  error: unknown,
  closings: Closing[],
  onClosingError: (closingError: unknown) => void = () => undefined,
): Promise<never> {
  await closeAll(closings).catch(onClosingError);
  throw error;
}
