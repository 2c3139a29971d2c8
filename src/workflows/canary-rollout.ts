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
  isCancellation,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities';
import { failureTypes } from '../contract/failures';
import * as names from '../contract/names';
import type {
  CanaryRolloutInput,
  Evidence,
  RolloutAnalysis,
  RolloutAnswer,
  RolloutCommand,
  RolloutCommandInput,
  RolloutDecision,
  RolloutOccasion,
  RolloutResult,
  RolloutState,
  RolloutStatus,
} from '../contract/rollout';
import { advanceRollout } from '../domain/rollout/advance-rollout';
import { nextAnalysisAtMs } from '../domain/rollout/clock';
import { readCommand, rolloutCommandProblem, rolloutSpecProblem } from '../domain/rollout/validate';
import { ShownRollout } from './rollout-view';
import { refuseInvalid } from './refuse-invalid';

const begun = defineUpdate<RolloutStatus>(names.begunUpdate);
const status = defineQuery<RolloutStatus>(names.statusQuery);

/** The ledger retries a lost database for 30 s by itself, and counting a large bake may take as long. */
const oneReadMs = 60_000;

/** Evidence that cannot be read within this is no evidence; the next analysis tries again. */
const { observeRollout } = proxyActivities<Activities>({
  startToCloseTimeout: oneReadMs,
  scheduleToCloseTimeout: 2 * oneReadMs,
  retry: { initialInterval: '1 second', maximumInterval: '10 seconds' },
});

/** A decision is recorded however long the ledger is away: nothing else happens before. */
const { recordRollout } = proxyActivities<Activities>({
  startToCloseTimeout: oneReadMs,
  retry: { initialInterval: '1 second', maximumInterval: '10 seconds' },
});

interface PendingCommand {
  readonly command: RolloutCommand;
  answer?: RolloutAnswer;
}

/**
 * Moves traffic from one arm to another while the evidence holds. What happens next is decided by `advanceRollout`; this
 * is its clock, its hands and its memory.
 */
export async function canaryRollout({ spec, carried }: CanaryRolloutInput): Promise<RolloutResult> {
  refuseInvalid(rolloutSpecProblem(spec));

  let state: RolloutState | null = carried?.state ?? null;
  let lastAnalysis: RolloutAnalysis | null = carried?.lastAnalysis ?? null;
  let refusal: string | null = null;
  let observation: CancellationScope | null = null;
  const pending: PendingCommand[] = [];
  const shown = new ShownRollout();

  setHandler(begun, answerBegun, {
    description: 'Answers once the split is set, or says why the rollout was refused.',
  });
  setHandler(status, () => statusOf(requireState()));
  for (const name of names.rolloutCommandNames) {
    const description = `${name}: {"actor": "…", "reason": "…"}`;
    setHandler(defineSignal<[RolloutCommandInput]>(name), (input) => receive({ command: readCommand(name, input) }), {
      description,
    });
    setHandler(
      defineUpdate<RolloutAnswer, [RolloutCommandInput]>(name),
      (input) => answered({ command: readCommand(name, input) }),
      { description, validator: (input) => refuseInvalid(rolloutCommandProblem(input)) },
    );
  }

  state ??= await CancellationScope.nonCancellable(begin);
  shown.update(spec, state, lastAnalysis);
  try {
    await run();
  } catch (error) {
    if (!isCancellation(error)) throw error;
    // Whoever cancels the workflow wants the rollout stopped, not its split left behind without anyone to watch it.
    await decideOn({ command: { name: 'rollback', actor: 'a cancellation of the workflow' }, evidence: null });
  }
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  const { phase, message, reached } = requireState();
  return { phase: phase === 'Succeeded' ? phase : 'RolledBack', reason: message, reached };

  async function begin(): Promise<RolloutState> {
    const occasion = { atMs: Date.now(), evidence: null, command: null };
    const decision = advanceRollout(spec, null, occasion);
    const recorded = await recordRollout({ spec, decision, ...occasion });
    if (recorded.kind === 'recorded') return decision.next;
    refusal = `${recorded.field}: ${recorded.problem}`;
    await condition(allHandlersFinished);
    throw ApplicationFailure.nonRetryable(refusal, failureTypes.rolloutRefused);
  }

  async function run(): Promise<void> {
    while (requireState().endedAtMs === null || pending.length > 0) {
      const next = pending.find(({ command }) => command.name === 'rollback') ?? pending[0];
      if (next) await carryOut(next);
      else if (Date.now() >= dueAtMs()) await analyse();
      else if (workflowInfo().continueAsNewSuggested && allHandlersFinished()) await continueRun();
      else await condition(() => pending.length > 0, dueAtMs() - Date.now());
    }
  }

  async function analyse(): Promise<void> {
    const evidence = await observe();
    // A rollback that came meanwhile goes first, and after it there is nothing left to analyse.
    if (pending.some(({ command }) => command.name === 'rollback')) return;
    const { atMs, action, reason, missing } = await decideOn({ command: null, evidence });
    lastAnalysis = { atMs, evidence, action, reason, missing };
    shown.update(spec, requireState(), lastAnalysis);
  }

  async function carryOut(next: PendingCommand): Promise<void> {
    const { command } = next;
    const evidence = command.name === 'promote' ? await observe() : null;
    const { action, reason } = await decideOn({ command, evidence });
    next.answer = { accepted: action !== 'refuse', reason, state: requireState() };
    pending.splice(pending.indexOf(next), 1);
  }

  /** Decides, and makes it true: the row of the audit and the split are one transaction. */
  async function decideOn(basis: Omit<RolloutOccasion, 'atMs'>): Promise<RolloutDecision & { readonly atMs: number }> {
    const occasion = { atMs: Date.now(), ...basis };
    const decision = advanceRollout(spec, requireState(), occasion);
    // Once sent it counts: nobody could tell whether a cancelled record was written.
    await CancellationScope.nonCancellable(() => recordRollout({ spec, decision, ...occasion }));
    state = decision.next;
    shown.update(spec, state, lastAnalysis);
    return { ...decision, atMs: occasion.atMs };
  }

  /** Null when the evidence cannot be read, or a rollback makes it needless. */
  async function observe(): Promise<Evidence | null> {
    const { name: rollout, baselineArm, canaryArm, gates } = spec;
    const { maxRequestsPerUser, maxLatencyPercent } = gates;
    const { bake } = requireState();
    observation = new CancellationScope();
    try {
      return await observation.run(() =>
        observeRollout({ rollout, bake, baselineArm, canaryArm, maxRequestsPerUser, maxLatencyPercent }),
      );
    } catch (error) {
      if (error instanceof ActivityFailure || isCancellation(error)) return null;
      throw error;
    } finally {
      observation = null;
    }
  }

  function receive(command: PendingCommand): void {
    pending.push(command);
    if (command.command.name === 'rollback') observation?.cancel();
  }

  async function answered(command: PendingCommand): Promise<RolloutAnswer> {
    receive(command);
    await condition(() => command.answer !== undefined);
    return command.answer as RolloutAnswer;
  }

  async function answerBegun(): Promise<RolloutStatus> {
    await condition(() => state !== null || refusal !== null);
    if (refusal !== null) throw ApplicationFailure.nonRetryable(refusal, failureTypes.rolloutRefused);
    return statusOf(requireState());
  }

  function dueAtMs(): number {
    const current = requireState();
    return nextAnalysisAtMs(spec, current, lastAnalysis?.atMs ?? current.startedAtMs);
  }

  function statusOf(current: RolloutState): RolloutStatus {
    return { spec, state: current, lastAnalysis, nextAnalysisAtMs: current.endedAtMs === null ? dueAtMs() : null };
  }

  function continueRun(): Promise<never> {
    return continueAsNew<typeof canaryRollout>({ spec, carried: { state: requireState(), lastAnalysis } });
  }

  function requireState(): RolloutState {
    if (state === null) throw ApplicationFailure.retryable('The rollout has not begun yet.');
    return state;
  }
}
