import { proxyLocalActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/create-activities';
import type { FeedbackOutcome } from '../contract/ledger';
import { oneShotTurnName, turnName } from '../contract/names';
import type { TurnFeedbackInput } from '../contract/turn';
import { feedbackProblem } from '../domain/turn/feedback';
import { refuseInvalid } from './refuse-invalid';

/** As long as the ledger's own retries, and a little more. The client's deadline ends the workflow. */
const { recordFeedback } = proxyLocalActivities<Activities>({ startToCloseTimeout: '40 seconds' });

/**
 * Takes what somebody says about a turn to the ledger: clients have no access to it. A workflow of its own, because a turn's
 * workflow may have ended days ago.
 */
export async function turnFeedback(input: TurnFeedbackInput): Promise<FeedbackOutcome> {
  refuseInvalid(feedbackProblem(input));
  const { turnId, sessionId = null, signal } = input;
  return recordFeedback({ turnNames: [turnName(turnId, sessionId), oneShotTurnName(turnId, sessionId)], signal });
}
