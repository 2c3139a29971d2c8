import { formatDuration } from '../domain/rollout/clock';
import { ofRequests, ofUsers } from '../domain/rollout/evidence';
import { findingsOf } from '../domain/rollout/findings';
import { userFindingsOf } from '../domain/rollout/user-findings';
import { isoTime, type RolloutView } from './view';

/** Something that an operator must know about a rollout, with what to do. */
export interface RolloutWarning {
  readonly code:
    | 'no-workflow'
    | 'temporal-unreachable'
    | 'ledger-behind'
    | 'not-recorded'
    | 'overdue'
    | 'routing'
    | 'trouble-while-warm'
    | 'few-users';
  readonly message: string;
}

/** Empty if all is well. The most urgent first. */
export function warningsOf(view: RolloutView): readonly RolloutWarning[] {
  return [workflowWarning(view), routingWarning(view), warmWarning(view), fewUsersWarning(view)].filter(
    (warning) => warning !== null,
  );
}

/** What is needed to know whether a rollout is looked after. */
type LookedAfter = Pick<RolloutView, 'spec' | 'atMs' | 'analysisDueAtMs' | 'workflow' | 'recordingFailure'>;

/** Why nothing is decided at the moment, or cannot be known; null if all is well. */
export function workflowWarning(view: LookedAfter): RolloutWarning | null {
  const { spec, analysisDueAtMs, workflow, recordingFailure } = view;
  // Without a next analysis there is nothing left to do for a workflow.
  if (analysisDueAtMs === null) return null;
  if (recordingFailure !== null) {
    return {
      code: recordingFailure.isLedgerBehind ? 'ledger-behind' : 'not-recorded',
      message: `Nothing is decided until its workflow can record its last decision: ${recordingFailure.message}`,
    };
  }
  if (workflow === 'running') return overdueWarning(view);
  if (workflow === 'unreachable') {
    const message =
      'Temporal does not answer, so it is not known whether the workflow runs. What follows is from the ledger.';
    return overdueWarning(view) ?? { code: 'temporal-unreachable', message };
  }
  const how = { completed: 'has ended', failed: 'was terminated or has failed', unknown: 'is not known to Temporal' };
  const message =
    `No workflow runs it: rollout/${spec.name} ${how[workflow]}. Nothing will advance or roll back automatically; ` +
    `\`bellwether rollout adopt ${spec.name}\` continues from what the ledger says, \`bellwether rollout rollback ` +
    `${spec.name}\` still works.`;
  return { code: 'no-workflow', message };
}

/** Reading the evidence and recording a decision may take a minute on a bad day. */
const lateAfterMs = 60_000;

/** Whether a whole interval, at least a minute, has passed since an analysis was due. */
export function isOverdue({ analysisDueAtMs, spec, atMs }: LookedAfter): boolean {
  return analysisDueAtMs !== null && atMs - analysisDueAtMs > Math.max(spec.intervalMs, lateAfterMs);
}

function overdueWarning(view: LookedAfter): RolloutWarning | null {
  const { analysisDueAtMs, atMs } = view;
  if (analysisDueAtMs === null || !isOverdue(view)) return null;
  const message =
    `No analysis has been recorded since ${isoTime(analysisDueAtMs)}, for ${formatDuration(atMs - analysisDueAtMs)}: no ` +
    'worker runs, or it reaches neither Temporal nor the ledger. Nothing advances or rolls back meanwhile, and turns ' +
    'keep following the current split. `bellwether doctor` shows which part is missing; `bellwether rollout back` sends ' +
    'everybody back without a worker.';
  return { code: 'overdue', message };
}

function routingWarning(view: RolloutView): RolloutWarning | null {
  const message = routingProblem(view);
  return message === null ? null : { code: 'routing', message };
}

/** A sentence if turns are not routed as this rollout says; null if they are. */
export function routingProblem({ spec, state, split }: Pick<RolloutView, 'spec' | 'state' | 'split'>): string | null {
  if (split === null) return 'No split is set: turns go to the default arm.';
  if (split.rollout !== spec.name) {
    return `Rollout ${split.rollout} has taken over and now routes turns, with ${split.percent}% on ${split.canaryArm}.`;
  }
  if (split.percent === state.percent) return null;
  return (
    `The split that routes turns says ${split.percent}%, the audit trail ${state.percent}%: it was changed by hand. ` +
    '`bellwether rollout back` sends everybody back.'
  );
}

/** While the baseline is warm, a canary that fails is an operator's to roll back: nobody is left to compare it with. */
function warmWarning(view: RolloutView): RolloutWarning | null {
  const { spec, state } = view;
  const trouble = state.phase === 'Promoting' ? troubleIn(view) : null;
  if (trouble === null) return null;
  const message = `${trouble} \`bellwether rollout rollback ${spec.name}\` sends everybody back to ${spec.baselineArm}.`;
  return { code: 'trouble-while-warm', message };
}

function troubleIn({ spec, state, evidence, atMs }: RolloutView): string | null {
  const byUsers = ofUsers(evidence);
  const { breach, worse, oneKey, alarms } =
    byUsers === null
      ? { ...findingsOf(spec, state, ofRequests(evidence), atMs), oneKey: null }
      : userFindingsOf(spec, state, byUsers);
  const trouble = [breach, worse, oneKey, ...alarms].filter((finding) => finding !== null);
  return trouble.length === 0 ? null : trouble.join(' ');
}

/** What guards have found that only report; empty under rule 1, which has no such guards. */
export function reportedFindings({ spec, state, evidence }: RolloutView): readonly string[] {
  const byUsers = ofUsers(evidence);
  return byUsers === null ? [] : userFindingsOf(spec, state, byUsers).reports;
}

/** With fewer users than this, the split is a matter of luck, and no evidence by users will ever be enough. */
const fewUsers = 20;

function fewUsersWarning({ spec, evidence }: RolloutView): RolloutWarning | null {
  if (evidence === null) return null;
  const turns = evidence.baseline.turns + evidence.canary.turns;
  const users = evidence.baseline.users + evidence.canary.users;
  if (turns < spec.gates.minimumStepRequests || users >= fewUsers) return null;
  const who = users === 1 ? 'one user' : `${users} users`;
  const message =
    `All ${turns} turns of this bake come from ${who}. Users are split between the arms, and evidence is counted by ` +
    "user: send each end user's own id as `user`, or the rollout cannot decide.";
  return { code: 'few-users', message };
}
