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
import type { Activities } from '../activities/create-activities';
import { failureTypes } from '../contract/failures';
import * as names from '../contract/names';
import { type Problem, problemIn } from '../contract/problem';
import type {
  CanaryRolloutInput,
  Evidence,
  RolloutAnswer,
  RolloutCommand,
  RolloutCommandInput,
  RolloutDecision,
  RolloutOccasion,
  RolloutResult,
  RolloutStatus,
} from '../contract/rollout';
import { advanceRollout } from '../domain/rollout/advance-rollout';
import { readCommand, rolloutCommandProblem, rolloutSpecProblem } from '../domain/rollout/validate';
import { CommandQueue } from './command-queue';
import { refuseInvalid } from './refuse-invalid';
import { RolloutMemory } from './rollout-memory';

const begun = defineUpdate<RolloutStatus>(names.begunUpdate);
const status = defineQuery<RolloutStatus>(names.statusQuery);

/** The ledger retries a lost database for 30 s by itself, and counting a large bake may take as long. */
const oneTryMs = 60_000;

/** A missing heartbeat means a dead worker, and a rollback must not wait for one longer; the activities beat every third of this. */
const heartbeatTimeoutMs = 10_000;

/** Evidence that cannot be read within this is no evidence; the next analysis tries again. */
const { observeRollout } = proxyActivities<Activities>({
  startToCloseTimeout: oneTryMs,
  scheduleToCloseTimeout: 2 * oneTryMs,
  heartbeatTimeout: heartbeatTimeoutMs,
  retry: { initialInterval: '1 second', maximumInterval: '10 seconds' },
});

/** A decision is recorded however long the ledger is away: nothing else happens before. */
const { recordRollout } = proxyActivities<Activities>({
  startToCloseTimeout: oneTryMs,
  heartbeatTimeout: heartbeatTimeoutMs,
  retry: { initialInterval: '1 second', maximumInterval: '10 seconds' },
});

/**
 * Moves traffic from one arm to another while the evidence holds. What happens next is decided by `advanceRollout`; this
 * is its clock and its hands.
 */
export async function canaryRollout({ spec, carried }: CanaryRolloutInput): Promise<RolloutResult> {
  refuseInvalid(rolloutSpecProblem(spec));

  const rollout = new RolloutMemory(spec, carried);
  const commands = new CommandQueue();

  setHandler(begun, answerBegun, {
    description: 'Answers once the split is set, or says why the rollout was refused.',
  });
  setHandler(status, () => rollout.status());
  for (const name of names.rolloutCommandNames) listenTo(name, commands);

  // Whoever cancels the workflow wants the rollout stopped, not its split left behind without anyone to watch it.
  CancellationScope.current().cancelRequested.catch(() =>
    commands.add({ name: 'rollback', actor: 'a cancellation of the workflow' }),
  );
  return CancellationScope.nonCancellable(async () => {
    try {
      if (!rollout.hasBegun) await begin();
      await goOn();
    } catch (error) {
      await refuse(error);
    }
    return rollout.result();
  });

  async function begin(): Promise<void> {
    const occasion = { atMs: Date.now(), evidence: null, command: null };
    const decision = advanceRollout(spec, null, occasion);
    const recorded = await recordRollout({ spec, decision, ...occasion });
    if (recorded.kind === 'refused') throw refused(`${recorded.field}: ${recorded.problem}`, recorded.refusal);
    rollout.enter(decision.next);
  }

  async function goOn(): Promise<void> {
    for (;;) {
      const command = commands.first();
      if (command) await carryOut(command);
      else if (rollout.hasEnded) {
        if (allHandlersFinished()) return;
        await condition(() => allHandlersFinished() || commands.first() !== undefined);
      } else if (workflowInfo().continueAsNewSuggested && allHandlersFinished()) {
        await continueAsNew<typeof canaryRollout>({ spec, carried: rollout.carry() });
      } else if (Date.now() >= rollout.nextAnalysisAtMs()) await analyse();
      else await condition(() => commands.first() !== undefined, rollout.nextAnalysisAtMs() - Date.now());
    }
  }

  async function analyse(): Promise<void> {
    const evidence = await observe();
    // A rollback that came meanwhile goes first, and after it there is nothing left to analyse.
    if (commands.hasRollback) return;
    const { atMs, action, reason, missing, next } = await decideOn({ command: null, evidence });
    rollout.enter(next, { atMs, evidence, action, reason, missing });
  }

  async function carryOut(command: RolloutCommand): Promise<void> {
    const evidence = command.name === 'promote' && !isOverForGood() ? await observe() : null;
    // As above; the promotion is refused after it.
    if (command.name !== 'rollback' && commands.hasRollback) return;
    const { action, reason, next } = await decideOn({ command, evidence });
    rollout.enter(next);
    commands.answer(command, { accepted: action !== 'refuse', reason, state: next });
  }

  /** Whatever the evidence says, a promotion is refused then, and its sender need not wait for it to be read. */
  function isOverForGood(): boolean {
    return rollout.hasEnded && patched('no-evidence-after-the-end');
  }

  /** Decides, and makes it true: the row of the audit and the split are one transaction. */
  async function decideOn(basis: Omit<RolloutOccasion, 'atMs'>): Promise<RolloutDecision & { readonly atMs: number }> {
    const occasion = { atMs: Date.now(), ...basis };
    const decision = advanceRollout(spec, rollout.state, occasion);
    await recordRollout({ spec, decision, ...occasion });
    return { ...decision, atMs: occasion.atMs };
  }

  /** Null when the evidence cannot be read, or a rollback makes it needless. */
  async function observe(): Promise<Evidence | null> {
    const { name, baselineArm, canaryArm, gates } = spec;
    const { maxRequestsPerUser, maxLatencyPercent } = gates;
    const { bake } = rollout.state;
    const request = { rollout: name, bake, baselineArm, canaryArm, maxRequestsPerUser, maxLatencyPercent };
    return CancellationScope.cancellable(async () => {
      try {
        return await Promise.race([observeRollout(request), condition(() => commands.hasRollback).then(() => null)]);
      } catch (error) {
        if (error instanceof ActivityFailure) return null;
        throw error;
      } finally {
        CancellationScope.current().cancel();
      }
    });
  }

  /** Ends a rollout that the ledger refuses: everybody who asked anything of it hears why. */
  async function refuse(error: unknown): Promise<never> {
    const cause = error instanceof ActivityFailure ? error.cause : error;
    if (!(cause instanceof ApplicationFailure) || cause.type !== failureTypes.rolloutRefused) throw error;
    const failure = refused(cause.message, problemIn(cause.details) ?? undefined);
    rollout.refuse(failure);
    commands.refuseAll(failure);
    await condition(allHandlersFinished);
    throw failure;
  }

  async function answerBegun(): Promise<RolloutStatus> {
    await CancellationScope.nonCancellable(() => condition(() => rollout.hasBegun || rollout.isRefused));
    return rollout.status();
  }
}

/** As a signal, which the Temporal UI and its command line can send, and as an update, which is answered. */
function listenTo(name: (typeof names.rolloutCommandNames)[number], commands: CommandQueue): void {
  const description = `${name}: {"actor": "…", "reason": "…"}`;
  setHandler(defineSignal<[RolloutCommandInput]>(name), (input) => commands.add(readCommand(name, input)), {
    description,
  });
  setHandler(
    defineUpdate<RolloutAnswer, [RolloutCommandInput]>(name),
    (input) => commands.ask(readCommand(name, input)),
    { description, validator: (input) => refuseInvalid(rolloutCommandProblem(input)) },
  );
}

function refused(reason: string, problem?: Problem): ApplicationFailure {
  const details = problem === undefined ? [] : [problem];
  return ApplicationFailure.nonRetryable(reason, failureTypes.rolloutRefused, ...details);
}
