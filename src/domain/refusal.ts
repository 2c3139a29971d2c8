import type { RefusalScope } from '../contract/turn';

/** Why a budget refused, in the migration guide's words. */
export function refusalReason(scope: Exclude<RefusalScope, 'closed'>): string {
  switch (scope) {
    case 'day':
      return 'Daily budget exceeded';
    case 'session':
      return 'Session spending limit reached';
  }
}
