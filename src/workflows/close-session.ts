import { proxyLocalActivities } from '@temporalio/workflow';
import type { Activities } from '../activities';

/** The ledger retries a lost database for 30 s by itself. */
const { closeSession } = proxyLocalActivities<Activities>({ startToCloseTimeout: '40 seconds' });

/** From here on the ledger refuses the session's turns, also in a later run of the conversation. */
export async function closeLedgerSession(sessionId: string): Promise<void> {
  await closeSession(sessionId);
}
