import { ApplicationFailure, Context } from '@temporalio/activity';
import type { ActivityDependencies } from '../src/activities/create-activities';
import { admitTurn } from '../src/activities/admit-turn';
import { makeAttempt } from '../src/activities/make-attempt';
import { RecentLatency } from '../src/activities/target-health';
import type { ChatMessage } from '../src/contract/chat';
import type { RecordTurnInput, TurnTotals } from '../src/contract/turn';
import { measurePrompt } from '../src/domain/turn/cjk';

export interface Question {
  readonly turnId: string;
  readonly sessionId: string;
  readonly messages: readonly ChatMessage[];
}

export interface Answer extends NonNullable<RecordTurnInput['answer']> {
  readonly content: string;
}

/** Bellwether's own steps without what joins them, so that every way does the same work. */
export class Steps {
  private readonly recentLatency = new RecentLatency();

  constructor(private readonly dependencies: ActivityDependencies) {}

  /** Budget check and model call. */
  async admitAndCall({ turnId, sessionId, messages }: Question): Promise<Answer> {
    const prompt = measurePrompt(messages);
    const input = { turnId, sessionId, userId: null, prompt };
    const admission = await admitTurn(this.dependencies, this.recentLatency, input);
    const target = admission.kind === 'admitted' ? admission.targets[0] : undefined;
    if (admission.kind === 'refused' || !target) throw unexpected(`Turn ${turnId} was not admitted.`);

    const { arm, ticket, deadlineAtMs } = admission;
    const call = { turnId, arm, target, messages, prompt, ticket, earlierCalls: 0, deadlineAtMs };
    const { cancellationSignal } = Context.current();
    const outcome = await makeAttempt(this.dependencies, call, ticket, 0, cancellationSignal);
    if (outcome.kind === 'failed') throw unexpected(`Turn ${turnId}: ${outcome.failure.message}`);
    const { content, model, settlement } = outcome;
    return { target: target.name, content, model, settlement };
  }

  record(turnId: string, { target, model, settlement }: Answer): Promise<TurnTotals> {
    const { ledger, policy } = this.dependencies;
    return ledger.recordTurn({
      turnId,
      outcome: 'answered',
      target,
      model,
      error: null,
      settlements: [settlement],
      dayCapNanoUsd: policy.budgets.dayNanoUsd,
      atMs: Date.now(),
    });
  }
}

/** The benchmark's budgets are ample and its provider has no faults: whatever fails makes its figures worthless. */
function unexpected(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message);
}
