import type { RefusalScope } from '../contract/turn';

const reasons = {
  day: 'Daily budget exceeded',
  session: 'Session spending limit reached',
  key: 'API key budget exceeded',
} as const;

/** Why a budget refused; of session and day in the migration guide's words. */
export function refusalReason(scope: Exclude<RefusalScope, 'closed'>): string {
  return reasons[scope];
}
