import { ApplicationFailure } from '@temporalio/activity';
import type { Activities } from '../activities';
import type { ChatMessage } from '../contract/chat';
import type { RecordTurnInput } from '../contract/turn';
import { measurePrompt } from '../domain/cjk';

export interface Question {
  readonly turnId: string;
  readonly sessionId: string;
  readonly messages: readonly ChatMessage[];
}

export interface Answer extends NonNullable<RecordTurnInput['answer']> {
  readonly content: string;
}

/** Budget check and model call with Bellwether's own steps, so that every way does the same work. */
export async function admitAndCall(steps: Activities, { turnId, sessionId, messages }: Question): Promise<Answer> {
  const prompt = measurePrompt(messages);
  const admission = await steps.admitTurn({ turnId, sessionId, userId: null, prompt });
  const target = admission.kind === 'admitted' ? admission.targets[0] : undefined;
  if (admission.kind === 'refused' || !target) throw unexpected(`Turn ${turnId} was not admitted.`);

  const { arm, ticket, deadlineAtMs } = admission;
  const call = { turnId, arm, target, messages, prompt, ticket, earlierCalls: 0, deadlineAtMs };
  const outcome = await steps.callModelInTask(call);
  if (outcome.kind === 'failed') throw unexpected(`Turn ${turnId}: ${outcome.failure.message}`);
  const { content, model, settlement } = outcome;
  return { target: target.name, content, model, settlement };
}

/** The benchmark's budgets are ample and its provider has no faults: whatever fails makes its figures worthless. */
function unexpected(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message);
}
