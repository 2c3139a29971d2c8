import { useNow } from './clock';

/** Data that is older than this is shown as old, and nobody may advance a rollout on it. */
const staleAfterMs = 20_000;

export interface Freshness {
  readonly ageMs: number;
  readonly isStale: boolean;
}

/** @param asOfMs when the server last read the ledger */
export function useFreshness(asOfMs: number): Freshness {
  const ageMs = Math.max(0, useNow() - asOfMs);
  return { ageMs, isStale: ageMs > staleAfterMs };
}
