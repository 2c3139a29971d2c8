import type { RolloutGates } from '../../contract/rollout';
import type { Exposure } from '../../contract/user-evidence';

const defaultUserWindowMs = 60 * 60 * 1000;
const defaultLongestCallMs = 10 * 60 * 1000;

/** How a rollout under rule 2 counts its users. */
export function exposureOf(gates: RolloutGates): Exposure {
  const { userWindowMs = defaultUserWindowMs, longestCallMs = defaultLongestCallMs, maxRequestsPerUser } = gates;
  return { userWindowMs, longestCallMs, maxRequestsPerUser };
}
