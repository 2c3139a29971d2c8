import type { RefusalScope } from '../contract/turn';

const reasons = { day: 'Daily budget exceeded', session: 'Session spending limit reached' } as const;

/** Why a budget refused, in the migration guide's words. */
export function refusalReason(scope: Exclude<RefusalScope, 'closed'>): string {
  return reasons[scope];
}
