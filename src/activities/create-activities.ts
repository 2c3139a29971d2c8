import { ApplicationFailure, Context } from '@temporalio/activity';
import { failureTypes } from '../contract/failures';
import type { HandOffEvent } from '../contract/hand-off';
import type { FeedbackOutcome } from '../contract/ledger';
import type { RolloutEntry } from '../contract/rollout';
import type { TurnState } from '../contract/turn-stops';
import type { UserEvidenceRequest } from '../contract/user-evidence';
import type {
  AnsweredCall,
  CallOutcome,
  ModelCallInput,
  OpenedTurn,
  OpenTurnInput,
  RecordFeedbackInput,
  RecordStoppedInput,
  RecordTurnInput,
  Settlement,
  StopInput,
  StoppedTurn,
  TurnTags,
  TurnTotals,
} from '../contract/turn';
import { toUsd } from '../domain/turn/prices';
import { admitTurn } from './admit-turn';
import type { ActivityDependencies } from './dependencies';
import { makeAttempt } from './make-attempt';
import { createRolloutActivities } from './rollout-activities';
import { RecentLatency } from './target-health';
import { StepCache } from './step-cache';
import { StopWatch } from './stop-watch';
import { firstCallOf, recordStopped, recordTurn } from './turn-steps';
import { logFields } from './turn-tags';

export type { ActivityDependencies } from './dependencies';
export type Activities = ReturnType<typeof createActivities>;

/**
 * Answers are kept as long as their turn may be retried: under a burst of messages, a workflow task that failed repeatedly
 * was seen to return after minutes. Failed calls are kept until the turn's deadline.
 */
const keepAnsweredMs = 60 * 60 * 1000;

/** Well beyond the few seconds after which a failed workflow task is retried. Not longer, because the budget may be raised. */
const keepRefusedMs = 120_000;

/** The steps of a turn and of a rollout. All their access to the outside world comes from `dependencies`. */
export function createActivities(dependencies: ActivityDependencies) {
  const rollout = createRolloutActivities(dependencies);
  const steps = new StepCache();
  const recentLatency = new RecentLatency();
  const stops = new StopWatch(dependencies.ledger.stops);

  /** As the worker was configured when it admitted the turn; by default, as it is now. */
  function configuredAt(configuration: string | undefined): ActivityDependencies & { configuration?: string } {
    const { versions } = dependencies;
    return versions === undefined ? dependencies : { ...dependencies, ...versions.at(configuration) };
  }

  async function attempt(
    input: ModelCallInput,
    ticket: ModelCallInput['ticket'],
    callIndex: number,
    signal?: AbortSignal,
  ): Promise<CallOutcome> {
    const { outcome, isStopped } = await stops.during(input.turnId, async (stop) => ({
      outcome: await makeAttempt(
        configuredAt(input.tags?.configuration),
        input,
        ticket,
        callIndex,
        anyOf(stop, signal),
      ),
      isStopped: stop.aborted,
    }));
    if (outcome.kind === 'answered') {
      recentLatency.add(input.target.name, input.delivery ?? 'whole', outcome.settlement.latencyMs);
      warnAboutUsage(input, outcome.settlement);
    } else {
      const { kind, httpStatus } = outcome.failure;
      const { retryDelayMs } = outcome;
      Context.current().log.info('call failed', { ...fieldsOfCall(input), kind, httpStatus, retryDelayMs });
    }
    if (outcome.kind === 'answered' || !isStopped) return outcome;
    return { ...outcome, failure: { ...outcome.failure, isStop: true }, retryDelayMs: null };
  }

  /**
   * A local activity is cancelled when its turn is, but also when the server times out its workflow task: then the task is
   * retried and joins this call. So only a stop of the turn interrupts the call (its timeout bounds it), and it is settled here in case
   * nobody is left to record its turn.
   */
  async function attemptToCompletion(input: ModelCallInput): Promise<CallOutcome> {
    const { cancellationSignal } = Context.current();
    const outcome = await attempt(input, unusedTicket(input), 0);
    if (cancellationSignal.aborted && outcome.kind === 'answered') {
      await dependencies.ledger.settleAttempt(input.turnId, outcome.settlement);
    }
    return outcome;
  }

  /** Another process may have used its ticket before it died. */
  function unusedTicket({ turnId, ticket }: ModelCallInput): ModelCallInput['ticket'] {
    const isOurs = ticket?.owner === dependencies.owner && steps.takeTicket(turnId, ticket.attempt);
    return isOurs ? ticket : null;
  }

  /** A retried task joins the running call or gets its finished answer. */
  function callInTask(input: ModelCallInput): Promise<CallOutcome> {
    const { turnId, arm, target, ticket, deadlineAtMs, firstCallDeadlineAtMs = deadlineAtMs } = input;
    return steps.once(
      `call ${turnId} ${arm} ${target.name} ${target.provider} ${target.model} ${ticket?.attempt}`,
      ({ kind }) => (kind === 'answered' ? keepAnsweredMs : firstCallDeadlineAtMs - Date.now()),
      () => attemptToCompletion(input),
    );
  }

  /** Never true for a turn that was admitted before, because its calls may have been made. */
  async function isTooLate({ turnId, comesTooLate = false }: OpenTurnInput): Promise<boolean> {
    return comesTooLate && (await dependencies.ledger.attempts(turnId)).length === 0;
  }

  async function admitAndTryFirst(input: OpenTurnInput): Promise<OpenedTurn> {
    if (await isTooLate(input)) throw endOfTurn(failureTypes.turnTooLate);
    const admission = await admitTurn(configuredAt(dependencies.versions?.current.configuration), recentLatency, input);
    // Nobody waits for this label, and a turn must not fail for it.
    if (input.asksAgain !== undefined) void flagAskedAgain(input.asksAgain);
    if (admission.kind === 'not-kept') throw endOfTurn(failureTypes.turnNotKept);
    if (admission.kind === 'stopped') {
      return { kind: 'stopped', arm: null, target: null, ...(await recordStoppedTurn(input)) };
    }
    if (admission.kind === 'refused') {
      if (admission.scope === 'day') dependencies.onDayBudgetRefused?.();
      return admission;
    }

    const call = firstCallOf(input, admission);
    if (call?.target.firstAttempt !== 'local') return { kind: 'admitted', admission, firstCall: null };

    const leaveToWorkflow = (error: unknown) => logAndLeaveToWorkflow(input.turnId, admission.tags, error);
    const firstCall = await callInTask(call).catch(leaveToWorkflow);
    const { arm, canary, tags } = admission;
    const target = call.target.name;
    if (firstCall?.kind === 'failed' && firstCall.failure.isStop) {
      const stopped = await recordStoppedTurn({ ...input, tags }).catch(leaveToWorkflow);
      if (stopped) return { kind: 'stopped', arm, canary, target, ...stopped };
    }
    if (firstCall?.kind !== 'answered') return { kind: 'admitted', admission, firstCall };

    const { settlement, ...answerFields } = firstCall;
    const answer = { target, model: answerFields.model, settlement, flags: answerFields.flags };
    const totals = await record({ turnId: input.turnId, answer, error: null, tags }).catch(leaveToWorkflow);
    if (!totals) return { kind: 'admitted', admission, firstCall };
    return { ...answerFields, arm, canary, target, usage: settlement.usage, totals };
  }

  async function flagAskedAgain(earlierTurn: string): Promise<void> {
    const { log } = Context.current();
    await dependencies.ledger.flagAnswer(earlierTurn, 'asked-again').catch((error: unknown) => {
      log.warn('An answer could not be flagged as asked again.', { ...logFields(earlierTurn), error });
    });
  }

  async function record(turn: RecordTurnInput): Promise<TurnTotals> {
    const totals = await recordTurn(configuredAt(undefined), turn);
    const { turnId, tags, answer } = turn;
    const by = { target: answer?.target, model: answer?.model };
    logTurn(logFields(turnId, tags), { outcome: answer ? 'answered' : 'degraded', ...by }, totals);
    return totals;
  }

  async function recordStoppedTurn(turn: RecordStoppedInput): Promise<Pick<StoppedTurn, 'content' | 'totals'>> {
    const stopped = await recordStopped(dependencies, turn);
    logTurn(logFields(turn.turnId, turn.tags), { outcome: 'stopped' }, stopped.totals);
    return stopped;
  }

  return {
    /**
     * A whole successful turn in one local activity, because each local activity is a round trip between the worker's
     * threads. Throws only if no call was made, with the type `turnTooLate` or `turnNotKept` if none will be. If the ledger
     * fails later, the workflow takes over, which retries for longer.
     */
    openTurn(input: OpenTurnInput): Promise<OpenedTurn> {
      const { turnId, requestHash = '' } = input;
      // Watched from before its admission, so that no stop falls between the two.
      const admit = () => stops.during(turnId, () => admitAndTryFirst(input));
      return steps.once(`open ${turnId} ${requestHash}`, keepOpenedMs, admit);
    },

    /** A target's first call, as a local activity: failures are returned, and the workflow decides what to do. */
    callModelInTask: callInTask,

    /** Calls a target under Temporal's retry policy: failures are thrown, with the delay before the next attempt. */
    async callModel(input: ModelCallInput): Promise<AnsweredCall> {
      const context = Context.current();
      const { info } = context;
      // Temporal dispatches each attempt once, so the first attempt's ticket is certainly unused.
      const ticket = info.attempt === 1 ? input.ticket : null;
      return withHeartbeats(async () => {
        const callIndex = input.earlierCalls + info.attempt - 1;
        const outcome = await attempt(input, ticket, callIndex, context.cancellationSignal);
        if (outcome.kind === 'answered') return outcome;
        if (context.cancellationDetails?.workerShutdown && !outcome.failure.isStop) throw workerStopped(input);
        throw ApplicationFailure.create({
          type: failureTypes.modelCall,
          message: `${input.target.name}: ${outcome.failure.message}`,
          nonRetryable: outcome.retryDelayMs === null,
          nextRetryDelay: outcome.retryDelayMs ?? undefined,
          details: [outcome.failure],
        });
      });
    },

    /** Settles the successful attempt and writes the turn's outcome. */
    recordTurn: record,

    /** Ends a turn that somebody stopped. */
    recordStoppedTurn,

    /** Asks for the end of turns, wherever they run; returns the state of a single turn before. */
    async askToStop(input: StopInput): Promise<TurnState> {
      const { stops: asked } = dependencies.ledger;
      if ('turnNames' in input) return asked.ask(input.turnNames, Date.now());
      await asked.askAllOf(input.sessionId, input.exceptTurn, Date.now());
      return 'in-progress';
    },

    /** See `createRolloutActivities`. */
    observeRollout: (request: Parameters<typeof rollout.observeRollout>[0]) =>
      withHeartbeats(() => rollout.observeRollout(request)),
    observeUsers: (request: UserEvidenceRequest) => withHeartbeats(() => rollout.observeUsers(request)),
    measureBaseline: (arm: string) => withHeartbeats(() => rollout.measureBaseline(arm)),
    recordRollout: (entry: RolloutEntry) => withHeartbeats(() => rollout.recordRollout(entry)),

    async recordFeedback({ turnNames, signal }: RecordFeedbackInput): Promise<FeedbackOutcome> {
      for (const turnId of turnNames) {
        const outcome = await dependencies.ledger.recordFeedback({ turnId, signal });
        if (outcome !== 'unknown-turn') return outcome;
      }
      return 'unknown-turn';
    },

    /** Writes what happened in a handed-over session, and tells it. Returns what is left of the day's budget, in US dollars. */
    async recordHandOff(event: HandOffEvent): Promise<number> {
      const { ledger, onHandOff } = dependencies;
      const { policy } = configuredAt(undefined);
      if (event.kind === 'handed-over') await ledger.sessions.setHandedOver(event.sessionId, event.atMs);
      if (event.kind === 'given-back') await ledger.sessions.setHandedOver(event.sessionId, null);
      await onHandOff?.(event);
      const { spentNanoUsd } = await ledger.today();
      return toUsd(Math.max(0, policy.budgets.dayNanoUsd - spentNanoUsd));
    },

    async closeSession(sessionId: string): Promise<void> {
      await dependencies.ledger.closeSession(sessionId, Date.now());
    },
  };
}

/** The cost is booked in any case. The warning is for the operator, who may have to contact the provider or correct the configuration. */
function warnAboutUsage(input: ModelCallInput, { attempt, usageNote }: Settlement): void {
  if (usageNote === undefined) return;
  Context.current().log.warn(`A provider reported an unusual usage. ${usageNote}`, {
    ...fieldsOfCall(input),
    attempt,
  });
}

/** For the log. */
function fieldsOfCall({ turnId, tags, arm, target }: ModelCallInput) {
  const { name, provider, model } = target;
  return { ...logFields(turnId, { ...tags, arm }), target: name, provider, model };
}

/** Thrown and not returned, because workers of an earlier version would not know the result. The workflow says it in words. */
function endOfTurn(type: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable('The turn is not begun.', type);
}

function logTurn(fields: object, ended: object, totals: TurnTotals): void {
  const { attempts, latencyMs, costNanoUsd } = totals;
  Context.current().log.info('turn recorded', {
    ...fields,
    ...ended,
    attempts,
    latencyMs,
    costUsd: toUsd(costNanoUsd),
  });
}

function anyOf(stop: AbortSignal, other: AbortSignal | undefined): AbortSignal {
  return other === undefined ? stop : AbortSignal.any([stop, other]);
}

function keepOpenedMs(opened: OpenedTurn): number {
  if (opened.kind === 'answered' || opened.kind === 'stopped') return keepAnsweredMs;
  if (opened.kind === 'refused') return keepRefusedMs;
  const { admission, firstCall } = opened;
  return firstCall?.kind === 'answered' ? keepAnsweredMs : admission.deadlineAtMs - Date.now();
}

function logAndLeaveToWorkflow(turnId: string, tags: TurnTags | undefined, error: unknown): null {
  Context.current().log.warn('A step of a turn failed; its workflow will retry it.', {
    ...logFields(turnId, tags),
    error,
  });
  return null;
}

/** A worker shutdown is not a cancellation of the turn: another worker retries the call. */
function workerStopped(input: ModelCallInput): ApplicationFailure {
  return ApplicationFailure.create({
    type: failureTypes.modelCall,
    message: `${input.target.name}: the worker was shut down during the call`,
    nextRetryDelay: 0,
  });
}

/** A third of the workflows' heartbeat timeout (10 s): two heartbeats may be lost before a worker is considered dead. */
const heartbeatEveryMs = 3_000;

/** Runs an activity while sending heartbeats, so that Temporal knows that this worker is alive. */
async function withHeartbeats<T>(work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const heartbeats = setInterval(() => context.heartbeat(), heartbeatEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(heartbeats);
  }
}
