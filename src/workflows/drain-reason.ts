import type { WorkflowInfo } from '@temporalio/workflow';

/** Past this many events a busy conversation takes no new turns until it has continued as new; Temporal warns at 10,240. */
const drainAtEvents = 8_000;
/** The same of its history's size: Temporal warns at 10 MB and ends a workflow at 50, and 8 turns that wait may add 16. */
const drainAtBytes = 20 * 1024 * 1024;

/** Why a conversation takes no new turn before it has begun a new history; null while its history has room. */
export function drainReason(
  sessionId: string,
  { historyLength, historySize }: Pick<WorkflowInfo, 'historyLength' | 'historySize'>,
  unfinishedTurns: number,
): string | null {
  if (historyLength <= drainAtEvents && historySize <= drainAtBytes) return null;
  return `The history of session ${sessionId} has ${historyLength} events and ${historySize} bytes. Beyond ${drainAtEvents} events or ${drainAtBytes} bytes it takes no new turns until its ${unfinishedTurns} unfinished ones are answered and it has begun a new history. Wait for their answers before sending more.`;
}
