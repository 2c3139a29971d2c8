import { ApplicationFailure, Context } from '@temporalio/activity';
import { failureTypes } from '../contract/failures';
import type { RolloutEntry } from '../contract/rollout';
import type {
  AnsweredCall,
  CallOutcome,
  ModelCallInput,
  OpenedTurn,
  OpenTurnInput,
  RecordTurnInput,
  Settlement,
  TurnTotals,
} from '../contract/turn';
import { admitTurn } from './admit-turn';
import type { ActivityDependencies } from './dependencies';
import { makeAttempt } from './make-attempt';
import { createRolloutActivities } from './rollout-activities';
import { RecentLatency } from './target-health';
import { TurnMemory } from './turn-memory';
import { firstCallOf, recordTurn } from './turn-steps';

export type { ActivityDependencies } from './dependencies';
export type Activities = ReturnType<typeof createActivities>;

/**
 * What was bought is kept as long as its turn may come again: a workflow task that is lost again and again, as under a
 * burst of messages, was seen to come back after minutes. What was not is kept until the turn's own deadline.
 */
const keepAnsweredMs = 60 * 60 * 1000;

/** Far beyond the few seconds after which an aborted workflow task comes again; a budget may have been raised by then. */
const keepRefusedMs = 120_000;

/** The steps of a turn. Everything they know of the world comes in through `dependencies`. */
export function createActivities(dependencies: ActivityDependencies) {
  const rollout = createRolloutActivities(dependencies);
  const memory = new TurnMemory();
  const recentLatency = new RecentLatency();

  async function attempt(
    input: ModelCallInput,
    ticket: ModelCallInput['ticket'],
    callIndex: number,
    signal?: AbortSignal,
  ): Promise<CallOutcome> {
    const outcome = await makeAttempt(dependencies, input, ticket, callIndex, signal);
    if (outcome.kind === 'answered') {
      recentLatency.add(input.target.name, input.delivery ?? 'whole', outcome.settlement.latencyMs);
      tellOfUsage(input, outcome.settlement);
    }
    return outcome;
  }

  /**
   * A local activity is cancelled when its turn is, and also when the server gave up its workflow task: then the task
   * comes again and joins this call. So the call goes on, bounded by its timeout; in case nobody is left to record its
   * turn, it is settled here.
   */
  async function attemptToTheEnd(input: ModelCallInput): Promise<CallOutcome> {
    const { cancellationSignal } = Context.current();
    const outcome = await attempt(input, unusedTicket(input), 0);
    if (cancellationSignal.aborted && outcome.kind === 'answered') {
      await dependencies.ledger.settleAttempt(input.turnId, outcome.settlement);
    }
    return outcome;
  }

  /** A ticket of another process may have been used before that process was lost. */
  function unusedTicket({ turnId, ticket }: ModelCallInput): ModelCallInput['ticket'] {
    const isOurs = ticket?.owner === dependencies.owner && memory.takeTicket(turnId, ticket.attempt);
    return isOurs ? ticket : null;
  }

  /** A task done again joins the running call or takes its finished answer. */
  function callInTask(input: ModelCallInput): Promise<CallOutcome> {
    const { turnId, target, ticket, deadlineAtMs } = input;
    return memory.once(
      `call ${turnId} ${target.name} ${ticket?.attempt}`,
      ({ kind }) => (kind === 'answered' ? keepAnsweredMs : deadlineAtMs - Date.now()),
      () => attemptToTheEnd(input),
    );
  }

  async function open(input: OpenTurnInput): Promise<OpenedTurn> {
    const admission = await admitTurn(dependencies, recentLatency, input);
    if (admission.kind === 'refused') return admission;

    const call = firstCallOf(input, admission);
    if (call?.target.firstAttempt !== 'local') return { kind: 'admitted', admission, firstCall: null };

    const firstCall = await callInTask(call).catch(leaveToWorkflow);
    if (firstCall?.kind !== 'answered') return { kind: 'admitted', admission, firstCall };

    const { settlement, ...said } = firstCall;
    const { arm, canary } = admission;
    const target = call.target.name;
    const answer = { target, model: said.model, settlement };
    const totals = await record({ turnId: input.turnId, answer, error: null }).catch(leaveToWorkflow);
    if (!totals) return { kind: 'admitted', admission, firstCall };
    return { ...said, arm, canary, target, usage: settlement.usage, totals };
  }

  function record(turn: RecordTurnInput): Promise<TurnTotals> {
    return recordTurn(dependencies, turn);
  }

  return {
    /**
     * All of a turn that goes well, as one local activity: each one more is one more round trip between the worker's
     * threads. Throws only while nothing was bought. When the ledger is lost later on, the rest is the workflow's, which
     * has more patience.
     */
    openTurn(input: OpenTurnInput): Promise<OpenedTurn> {
      const { turnId, requestHash = '' } = input;
      return memory.once(`open ${turnId} ${requestHash}`, keepOpenedMs, () => open(input));
    },

    /** A target's first call, as a local activity: failures are returned, the workflow decides what follows. */
    callModelInTask: callInTask,

    /** Calls of a target under Temporal's retry policy: a failure is thrown, with the delay before the next. */
    async callModel(input: ModelCallInput): Promise<AnsweredCall> {
      const context = Context.current();
      const { info } = context;
      // Temporal hands out each attempt once, so the first one's ticket is certainly unused.
      const ticket = info.attempt === 1 ? input.ticket : null;
      return withHeartbeats(async () => {
        const callIndex = input.earlierCalls + info.attempt - 1;
        const outcome = await attempt(input, ticket, callIndex, context.cancellationSignal);
        if (outcome.kind === 'answered') return outcome;
        if (context.cancellationDetails?.workerShutdown) throw workerStopped(input);
        throw ApplicationFailure.create({
          type: failureTypes.modelCall,
          message: `${input.target.name}: ${outcome.failure.message}`,
          nonRetryable: outcome.retryDelayMs === null,
          nextRetryDelay: outcome.retryDelayMs ?? undefined,
          details: [outcome.failure],
        });
      });
    },

    /** Settles the answer and writes the turn's outcome. */
    recordTurn: record,

    /** See `createRolloutActivities`, as all that concerns rollouts. */
    observeRollout: (request: Parameters<typeof rollout.observeRollout>[0]) =>
      withHeartbeats(() => rollout.observeRollout(request)),
    recordRollout: (entry: RolloutEntry) => withHeartbeats(() => rollout.recordRollout(entry)),

    async closeSession(sessionId: string): Promise<void> {
      await dependencies.ledger.closeSession(sessionId, Date.now());
    },
  };
}

/** The money is booked either way: this is for who has to talk to the provider, or to correct the configuration. */
function tellOfUsage({ turnId, target }: ModelCallInput, { attempt, usageNote }: Settlement): void {
  if (usageNote === undefined) return;
  const { name, provider, model } = target;
  Context.current().log.warn(`The usage of a call is odd. ${usageNote}`, {
    turnId,
    attempt,
    target: name,
    provider,
    model,
  });
}

function keepOpenedMs(opened: OpenedTurn): number {
  if (opened.kind === 'answered') return keepAnsweredMs;
  if (opened.kind === 'refused') return keepRefusedMs;
  const { admission, firstCall } = opened;
  return firstCall?.kind === 'answered' ? keepAnsweredMs : admission.deadlineAtMs - Date.now();
}

function leaveToWorkflow(error: unknown): null {
  Context.current().log.warn('A step of a turn failed; its workflow goes on with it.', { error });
  return null;
}

/** A worker that stops is not a user who stops: another worker goes on. */
function workerStopped(input: ModelCallInput): ApplicationFailure {
  return ApplicationFailure.create({
    type: failureTypes.modelCall,
    message: `${input.target.name}: the worker was stopped during the call`,
    nextRetryDelay: 0,
  });
}

/** A third of the workflows' heartbeat timeout (10 s): two may be lost before a worker counts as dead. */
const heartbeatEveryMs = 3_000;

/** Does the work of an activity, telling Temporal meanwhile that this worker lives. */
async function withHeartbeats<T>(work: () => Promise<T>): Promise<T> {
  const context = Context.current();
  const heartbeats = setInterval(() => context.heartbeat(), heartbeatEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(heartbeats);
  }
}
