/**
 * Returns the value if it is an amount in whole nano-dollars, which keep sums exact.
 * @throws RangeError for anything else, before it reaches a row
 */
export function requireNanoUsd(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(
    `${name} is ${value}; the ledger takes whole nano-dollars from 0 to ${Number.MAX_SAFE_INTEGER}.`,
  );
}

/**
 * Converts a database integer to a number.
 * @throws RangeError when a number cannot hold it exactly
 */
export function exactInteger(text: string | number | bigint): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new RangeError(`The ledger holds ${text}, more than a JavaScript number can hold exactly.`);
}
