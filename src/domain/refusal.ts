import type { RefusalScope } from '../contract/turn';

export type Budget = Exclude<RefusalScope, 'closed'>;

const reasons: Readonly<Record<Budget, string>> = {
  day: 'Daily budget exceeded',
  session: 'Session spending limit reached',
  key: 'API key budget exceeded',
};

/** Why a budget refused; of session and day in the migration guide's words. */
export function refusalReason(scope: Budget): string {
  return reasons[scope];
}

/** The budget that a reply's `error` speaks of; null when it is about something else. */
export function refusingBudget(reason: string): Budget | null {
  return (Object.keys(reasons) as Budget[]).find((scope) => reasons[scope] === reason) ?? null;
}
