import type {
  AnyEvidence,
  RolloutOccasion,
  ArmEvidence,
  Evidence,
  RolloutCommandInput,
  RolloutCommandName,
  RolloutDecision,
  RolloutEntry,
  RolloutGates,
  RolloutPhase,
  RolloutSpec,
  RolloutState,
} from '../../../src/contract/rollout';
import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { nextAnalysisAtMs } from '../../../src/domain/rollout/clock';
import { defaultRolloutGates, rolloutPlans } from '../../../src/domain/rollout/plans';
import type { AuditedDecision } from '../../../src/domain/rollout/verify';

export const hourMs = 60 * 60 * 1000;
export const startedAtMs = Date.UTC(2026, 0, 5);

export function specWith(changes: Partial<RolloutSpec> = {}, gates: Partial<RolloutGates> = {}): RolloutSpec {
  return {
    name: 'to-holysheep',
    baselineArm: 'legacy',
    canaryArm: 'holysheep',
    ...rolloutPlans['72h'],
    gates: { ...defaultRolloutGates, ...gates },
    freezeWindows: [],
    takeOver: false,
    actor: 'ann',
    ...changes,
  };
}

export function arm(requests: number, failures: number, changes: Partial<ArmEvidence> = {}): ArmEvidence {
  return {
    turns: requests,
    users: requests,
    successes: requests - failures,
    failures,
    latencyMeanMs: 180,
    latencyP95Ms: 400,
    successfulTurns: requests - failures,
    costNanoUsd: requests * 1000,
    ...changes,
  };
}

/** A moment at which everything speaks for the canary, save for what is changed. */
export function provenAt(state: RolloutState, atMs: number, changes: Partial<Evidence> = {}): Evidence {
  const canary = arm(1000, 1, { users: 10 * state.percent });
  const baseline = arm(9000, 1350, { users: 1000 - 10 * state.percent, costNanoUsd: 9000 * 9000 });
  return {
    atMs,
    bake: state.bake,
    canarySuccesses: 1999,
    canaryFailures: 1,
    baseline,
    canary,
    canaryTimedCalls: 1000,
    canarySlowCalls: 10,
    newestCanaryAtMs: atMs - 1000,
    ...changes,
  };
}

/** A rollout under test, told in hours after its start. */
export abstract class RolloutUnderTest<Seen extends AnyEvidence> {
  abstract state: RolloutState;
  private analysedAtMs = startedAtMs;

  constructor(readonly spec: RolloutSpec) {}

  /** Good evidence, and the changes to it. */
  protected abstract evidenceAt(atMs: number, changes: Partial<Seen>): Seen;
  /** Decides, and enters the state that follows. */
  protected abstract decide(occasion: RolloutOccasion): RolloutDecision;

  /** An analysis with good evidence and the changes to it; `null`: none could be read. */
  look(atHours: number, changes: Partial<Seen> | null = {}): RolloutDecision {
    const atMs = startedAtMs + atHours * hourMs;
    this.analysedAtMs = atMs;
    return this.decide({ atMs, evidence: this.seen(atMs, changes), command: null });
  }

  /** All analyses up to then that the clock asks for, each with what `seenAt` says of its time. */
  follow(
    untilHours: number,
    seenAt: (atHours: number) => Partial<Seen> | null = () => ({}),
  ): readonly RolloutDecision[] {
    const decisions: RolloutDecision[] = [];
    for (;;) {
      const atHours = (nextAnalysisAtMs(this.spec, this.state, this.analysedAtMs) - startedAtMs) / hourMs;
      if (atHours > untilHours || this.state.endedAtMs !== null) return decisions;
      decisions.push(this.look(atHours, seenAt(atHours)));
    }
  }

  command(
    name: RolloutCommandName,
    atHours: number,
    input: RolloutCommandInput = {},
    changes: Partial<Seen> | null = null,
  ): RolloutDecision {
    const atMs = startedAtMs + atHours * hourMs;
    return this.decide({ atMs, evidence: this.seen(atMs, changes), command: { actor: 'bob', ...input, name } });
  }

  /** Percent and hours after the start of every step that was reached. */
  get reached(): readonly (readonly [percent: number, atHours: number])[] {
    return this.state.reached.map(({ percent, startedAtMs: atMs }) => [percent, (atMs - startedAtMs) / hourMs]);
  }

  private seen(atMs: number, changes: Partial<Seen> | null): Seen | null {
    return changes === null ? null : this.evidenceAt(atMs, changes);
  }
}

/** Under rule 1. */
export class Rollout extends RolloutUnderTest<Evidence> {
  state: RolloutState;

  constructor(spec: RolloutSpec = specWith()) {
    super(spec);
    this.state = advanceRollout(spec, null, { atMs: startedAtMs, evidence: null, command: null }).next;
  }

  protected evidenceAt(atMs: number, changes: Partial<Evidence>): Evidence {
    return provenAt(this.state, atMs, changes);
  }

  protected decide(occasion: RolloutOccasion): RolloutDecision {
    const decision = advanceRollout(this.spec, this.state, occasion);
    this.state = decision.next;
    return decision;
  }
}

/** As the audit trail keeps it. */
export function rowOf(entry: RolloutEntry): AuditedDecision {
  const { spec, decision, command, atMs } = entry;
  const actor = command?.actor ?? (decision.action === 'start' ? spec.actor : 'bellwether');
  const { action, reason, next } = decision;
  return { rollout: spec.name, sequence: next.sequence, atMs, actor, action, reason, entry: JSON.stringify(entry) };
}

/** One that came to be in the phase, as soon after its start as can be. */
export function inPhase(phase: RolloutPhase): Rollout {
  const rollout = new Rollout();
  if (phase === 'Paused') rollout.command('pause', 1);
  if (phase === 'Held') rollout.look(1, { canarySlowCalls: 900 });
  if (phase === 'Promoting' || phase === 'Succeeded')
    rollout.command('promote', 1, { full: true, force: true, reason: 'we know better' });
  if (phase === 'Succeeded') rollout.look(25);
  if (phase === 'RolledBack') rollout.command('rollback', 1);
  expect(rollout.state.phase).toBe(phase);
  return rollout;
}
