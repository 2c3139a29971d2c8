import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  patched,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { ApplicationFailureCategory } from '@temporalio/common';
import type { Activities } from '../activities/create-activities';
import { failureTypes } from '../contract/failures';
import * as names from '../contract/names';
import { type Problem, problemIn } from '../contract/problem';
import type {
  AnyEvidence,
  CanaryRolloutInput,
  RecordedRollout,
  RolloutAnswer,
  RolloutCommand,
  RolloutCommandInput,
  RolloutDecision,
  RolloutEntry,
  RolloutOccasion,
  RolloutResult,
  RolloutStatus,
} from '../contract/rollout';
import type { FrozenLimits } from '../contract/user-evidence';
import { advanceRollout } from '../domain/rollout/advance-rollout';
import { userEvidenceRequestOf } from '../domain/rollout/state-by-users';
import { utf8Length } from '../domain/turn/messages';
import { rolloutSpecProblem } from '../domain/rollout/validate';
import { readCommand, rolloutCommandProblem } from '../domain/rollout/validate-command';
import { CommandQueue } from './command-queue';
import { refuseInvalid } from './refuse-invalid';
import { RolloutMemory } from './rollout-memory';

const begunUpdate = defineUpdate<RolloutStatus>(names.begunUpdate);
const status = defineQuery<RolloutStatus>(names.statusQuery);

/** The ledger itself retries for 30 s when its database is unavailable, and counting a large bake may take as long. */
const attemptTimeoutMs = 60_000;

/** A missing heartbeat means a dead worker, and a rollback must not wait long for one. The activities send one every third of this. */
const heartbeatTimeoutMs = 10_000;

/** If the evidence cannot be read within this time, the analysis goes without; the next one tries again. */
const { observeRollout, observeUsers, measureBaseline } = proxyActivities<Activities>({
  startToCloseTimeout: attemptTimeoutMs,
  scheduleToCloseTimeout: 2 * attemptTimeoutMs,
  heartbeatTimeout: heartbeatTimeoutMs,
  retry: { initialInterval: '1 second', maximumInterval: '10 seconds' },
});

/** A decision is retried until it is recorded, however long the ledger is unavailable: nothing else may happen first. */
const { recordRollout } = proxyActivities<Activities>({
  startToCloseTimeout: attemptTimeoutMs,
  heartbeatTimeout: heartbeatTimeoutMs,
  retry: { initialInterval: '1 second', maximumInterval: '10 seconds' },
});

/**
 * Moves traffic from one arm to another as long as the evidence supports it. `advanceRollout` decides what happens next;
 * this workflow provides the timers and carries the decisions out.
 */
export async function canaryRollout({ spec, carried, startWithinMs }: CanaryRolloutInput): Promise<RolloutResult> {
  // A run that continues another was valid when it began, whatever is valid by now.
  if (carried === undefined) refuseInvalid(rolloutSpecProblem(spec));

  const rollout = new RolloutMemory(spec, carried);
  const commands = new CommandQueue(carried?.waiting);

  setHandler(begunUpdate, answerWhenStarted, {
    description: 'Returns once the split is set, or fails with the reason why the rollout was refused.',
  });
  setHandler(status, () => rollout.status());
  for (const name of names.rolloutCommandNames) handleCommand(name, commands);

  // Cancelling the workflow means stopping the rollout, not leaving its split in place with nobody watching it.
  CancellationScope.current().cancelRequested.catch(() =>
    commands.add({ name: 'rollback', actor: 'a cancellation of the workflow' }),
  );
  return CancellationScope.nonCancellable(async () => {
    try {
      if (!rollout.hasStarted) await start();
      await runUntilEnd();
    } catch (error) {
      await refuse(error);
    }
    return ended(rollout.result());
  });

  async function start(): Promise<void> {
    const waitedMs = Date.now() - workflowInfo().startTime.getTime();
    if (startWithinMs !== undefined && waitedMs > startWithinMs) {
      throw refused(
        `No worker took rollout ${spec.name} within ${startWithinMs / 1_000} s, so it will not start. Start it again.`,
      );
    }
    const limits = spec.rule === 2 ? await baselineLimits() : undefined;
    const occasion = { atMs: Date.now(), evidence: null, command: null, ...(limits && { limits }) };
    const decision = advanceRollout(spec, null, occasion);
    const recorded = await record({ spec, decision, ...occasion });
    if (recorded.kind === 'refused') throw refused(`${recorded.field}: ${recorded.problem}`, recorded.refusal);
    rollout.enter(decisionIn(recorded, decision).next);
  }

  async function runUntilEnd(): Promise<void> {
    for (;;) {
      const command = commands.first();
      if (mustContinueAsNew(command !== undefined)) {
        await continueAsNew<typeof canaryRollout>({ spec, carried: rollout.carry(commands.signals()) });
      } else if (command) await execute(command);
      else if (rollout.hasEnded) {
        if (allHandlersFinished()) return;
        await condition(() => allHandlersFinished() || commands.first() !== undefined);
      } else if (Date.now() >= rollout.nextAnalysisAtMs()) await analyse();
      else await condition(() => commands.first() !== undefined, rollout.nextAnalysisAtMs() - Date.now());
    }
  }

  /** Signals that came while no worker ran may be too many for one run, so they move on to the next one. */
  function mustContinueAsNew(hasBacklog: boolean): boolean {
    if (rollout.hasEnded || !workflowInfo().continueAsNewSuggested || !allHandlersFinished()) return false;
    return !hasBacklog || patched('a-full-run-ends-before-a-backlog');
  }

  async function analyse(): Promise<void> {
    const evidence = await observe();
    // A rollback that arrived in the meantime takes precedence, and after it there is nothing left to analyse.
    if (commands.hasRollback) return;
    const { atMs, action, reason, missing, next } = await decideAndRecord({ command: null, evidence });
    rollout.enter(next, { atMs, evidence, action, reason, missing });
  }

  async function execute(command: RolloutCommand): Promise<void> {
    const evidence = command.name === 'promote' && !isRefusedAfterEnd() ? await observe() : null;
    // As above; after the rollback, the promotion is refused.
    if (command.name !== 'rollback' && commands.hasRollback) return;
    const { action, reason, next } = await decideAndRecord({ command, evidence });
    rollout.enter(next);
    commands.answer(command, { accepted: action !== 'refuse', reason, state: next });
  }

  /** After the end, a promotion is refused whatever the evidence, so there is no need to read it. */
  function isRefusedAfterEnd(): boolean {
    return rollout.hasEnded && patched('no-evidence-after-the-end');
  }

  /** Decides and records the decision, which sets the split in the same transaction. */
  async function decideAndRecord(
    basis: Omit<RolloutOccasion, 'atMs'>,
  ): Promise<RolloutDecision & { readonly atMs: number }> {
    const atMs = Date.now();
    const occasion = { atMs, ...basis, evidence: basis.evidence && agedBy(basis.evidence, atMs) };
    const decision = advanceRollout(spec, rollout.state, occasion);
    const recorded = await record({ spec, decision, ...occasion });
    return { ...decisionIn(recorded, decision), atMs: occasion.atMs };
  }

  /** Without limits, slowness says nothing in the first bake. */
  async function baselineLimits(): Promise<FrozenLimits | undefined> {
    return measureBaseline(spec.baselineArm).catch((error: unknown) => {
      if (error instanceof ActivityFailure) return undefined;
      throw error;
    });
  }

  /** Null if the evidence cannot be read, or if a rollback makes it unnecessary. */
  async function observe(): Promise<AnyEvidence | null> {
    return CancellationScope.cancellable(async () => {
      try {
        return await Promise.race([read(), condition(() => commands.hasRollback).then(() => null)]);
      } catch (error) {
        if (error instanceof ActivityFailure) return null;
        throw error;
      } finally {
        CancellationScope.current().cancel();
      }
    });
  }

  function read(): Promise<AnyEvidence> {
    if (spec.rule === 2) return observeUsers(userEvidenceRequestOf(spec, rollout.state));
    const { name, baselineArm, canaryArm, gates } = spec;
    const { maxRequestsPerUser, maxLatencyPercent } = gates;
    const { bake } = rollout.state;
    return observeRollout({ rollout: name, bake, baselineArm, canaryArm, maxRequestsPerUser, maxLatencyPercent });
  }

  /** Fails a rollout that the ledger refuses, and tells everyone who is waiting for an answer why. */
  async function refuse(error: unknown): Promise<never> {
    const cause = error instanceof ActivityFailure ? error.cause : error;
    if (!(cause instanceof ApplicationFailure) || cause.type !== failureTypes.rolloutRefused) throw error;
    const failure = refused(cause.message, problemIn(cause.details) ?? undefined);
    rollout.refuse(failure);
    commands.refuseAll(failure);
    await condition(allHandlersFinished);
    throw failure;
  }

  async function answerWhenStarted(): Promise<RolloutStatus> {
    await CancellationScope.nonCancellable(() => condition(() => rollout.hasStarted || rollout.isRefused));
    return rollout.status();
  }
}

/** The Temporal UI shows the decision beside the event. */
function record(entry: RolloutEntry): Promise<RecordedRollout> {
  const { action, reason, next } = entry.decision;
  const summary = shortened(`${action}, ${next.percent}% on ${entry.spec.canaryArm}: ${reason}`);
  return recordRollout.executeWithOptions({ summary }, [entry]);
}

/** Temporal takes 400 bytes, to which encryption adds some. */
const maxSummaryBytes = 200;

function shortened(text: string): string {
  if (utf8Length(text) <= maxSummaryBytes) return text;
  // A character takes up to three bytes in each of its code units.
  let length = Math.min(text.length, maxSummaryBytes);
  while (utf8Length(`${text.slice(0, length)}…`) > maxSummaryBytes) length -= 1;
  return `${text.slice(0, length)}…`;
}

/**
 * The same evidence at the given time of Temporal's clock. How old its newest request is, only the database's clock tells,
 * which also dated that request: the clocks of workers, and Temporal's, may be minutes apart from it.
 */
function agedBy(evidence: AnyEvidence, atMs: number): AnyEvidence {
  const { newestCanaryAtMs } = evidence;
  // Rule 2 reads ages off the evidence's own time.
  if ('rule' in evidence || newestCanaryAtMs === null || !patched('ages-by-the-ledgers-clock')) return evidence;
  return { ...evidence, atMs, newestCanaryAtMs: atMs - (evidence.atMs - newestCanaryAtMs) };
}

/**
 * A decision is taken once. A later version of this code, which replays the history, may compute another one from the same
 * evidence: what was recorded counts. Decisions of older workers are computed again.
 */
function decisionIn(recorded: RecordedRollout, computed: RolloutDecision): RolloutDecision {
  return (recorded.kind === 'recorded' && recorded.decision) || computed;
}

/** Accepts a command as a signal, which the Temporal UI and CLI can send, and as an update, which returns an answer. */
function handleCommand(name: (typeof names.rolloutCommandNames)[number], commands: CommandQueue): void {
  const description = `${name}: {"actor": "…", "reason": "…"}`;
  setHandler(defineSignal<[RolloutCommandInput]>(name), (input) => commands.add(readCommand(name, input)), {
    description,
  });
  setHandler(
    defineUpdate<RolloutAnswer, [RolloutCommandInput]>(name),
    (input) => commands.ask(readCommand(name, input)),
    { description, validator: (input) => refuseInvalid(rolloutCommandProblem(input, name)) },
  );
}

/** A workflow that completes looks like a success in every list of workflows, which a rollback is not. */
function ended(result: RolloutResult): RolloutResult {
  if (result.phase === 'Succeeded' || !patched('a-rollback-is-no-success')) return result;
  throw ApplicationFailure.create({
    message: `Rolled back: ${result.reason}`,
    type: failureTypes.rolledBack,
    nonRetryable: true,
    details: [result],
    // It did what it is for: no alarm of Temporal's own.
    category: ApplicationFailureCategory.BENIGN,
  });
}

function refused(reason: string, problem?: Problem): ApplicationFailure {
  const details = problem === undefined ? [] : [problem];
  return ApplicationFailure.nonRetryable(reason, failureTypes.rolloutRefused, ...details);
}
