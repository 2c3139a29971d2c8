import type { RolloutSpec } from '../../contract/rollout';
import { clockMissing, frozenUntilMs, stepDueAtMs } from '../../domain/rollout/clock';
import { cleanRequestsToGo, measure, ofUsers } from '../../domain/rollout/evidence';
import { percentAt } from '../../domain/rollout/transitions';
import { cleanUsersToGo } from '../../domain/rollout/user-measures';
import { phaseShown, type RolloutView } from '../view';
import { isOverdue } from '../warnings';

/** What comes next, and what it takes: one sentence. Its times are absolute, so that it changes only when something does. */
export function nextSentence(view: RolloutView): string {
  const { spec, split, analysisDueAtMs } = view;
  const phase = phaseShown(view);
  if (phase === 'TakenOver') return `Nothing more: rollout ${split?.rollout} routes turns now.`;
  if (phase === 'Succeeded') return `Nothing more: all turns are on ${spec.canaryArm}.`;
  if (phase === 'RolledBack') {
    return `Nothing more: all turns are on ${spec.baselineArm}; another attempt is a new rollout.`;
  }
  if (analysisDueAtMs === null) return 'Nothing more.';
  if (['completed', 'failed', 'unknown'].includes(view.workflow)) {
    return `Nothing by itself, as no workflow runs it: \`bellwether rollout adopt ${spec.name}\` continues it.`;
  }
  if (isOverdue(view)) {
    return `An analysis that was due at ${moment(analysisDueAtMs, view.atMs)} follows once a worker runs again.`;
  }
  const analysed = `Analysed again at ${moment(analysisDueAtMs, view.atMs)}`;
  if (phase === 'Held') {
    return `It waits for an operator to resume it, promote it by force or roll it back; only a rollback can follow by itself.`;
  }
  if (phase === 'Paused') {
    return `It waits for an operator to resume it. ${analysed}, to hold it or roll it back if need be.`;
  }
  return phase === 'Promoting' ? promotingSentence(view, analysed) : progressingSentence(view, analysed);
}

function promotingSentence(view: RolloutView, analysed: string): string {
  const { spec, state, outlook, atMs } = view;
  const dueAtMs = stepDueAtMs(spec, state);
  if (atMs < dueAtMs) {
    return `${spec.baselineArm} stays warm for a rollback until ${moment(dueAtMs, atMs)}; then it finishes if nothing stands against it.`;
  }
  return outlook?.action === 'finish' ? `${analysed}, when it finishes.` : `${analysed}; it cannot finish yet.`;
}

function progressingSentence(view: RolloutView, analysed: string): string {
  const { spec, state, outlook } = view;
  const to = `${percentAt(spec, state.step + 1)}%`;
  const action = outlook?.action;
  if (action === 'advance') return `${analysed}, when it advances to ${to}: nothing is missing.`;
  if (action === 'roll-back') return `${analysed}, when it rolls back unless the evidence changes.`;
  if (action === 'hold') return `${analysed}, when it is held unless the evidence changes.`;
  return `${analysed}; it advances to ${to}${conditions(view)}${notBefore(view)}.`;
}

function conditions(view: RolloutView): string {
  const wanted: string[] = [];
  const { toGo, unit } = evidenceToGo(view);
  if (toGo > 0) wanted.push(`about ${toGo} more ${unit} without a failure`);
  const users = usersMissing(view);
  if (users > 0) wanted.push(`${users} more users in this step`);
  if (wanted.length > 0) return ` with ${wanted.join(' and ')}`;
  const { spec, state, outlook, atMs } = view;
  const isOnlyTime = (outlook?.missing ?? []).length <= clockMissing(spec, state, atMs).length;
  return isOnlyTime ? '' : ' once nothing is missing';
}

/** How many users, or under rule 1 requests, without a failure would complete the evidence. */
export function evidenceToGo({ spec, state, evidence }: RolloutView): {
  readonly unit: 'users' | 'requests';
  readonly toGo: number;
} {
  if (evidence === null) return { unit: spec.rule === 2 ? 'users' : 'requests', toGo: 0 };
  if ('rule' in evidence) return { unit: 'users', toGo: cleanUsersToGo(evidence, spec) };
  const { advance } = measure(evidence, spec.gates, state.percent);
  return { unit: 'requests', toGo: cleanRequestsToGo(advance, spec.gates) };
}

function usersMissing({ spec, state, evidence }: RolloutView): number {
  const byUsers = ofUsers(evidence);
  const needed = spec.steps[state.step]?.minimumUsers ?? spec.gates.minimumStepRequests;
  return byUsers === null ? 0 : Math.max(0, needed - byUsers.canary.users);
}

function notBefore({ spec, state, atMs }: RolloutView): string {
  const dueAtMs = earliestAdvanceMs(spec, Math.max(atMs, stepDueAtMs(spec, state)));
  return dueAtMs > atMs ? `, not before ${moment(dueAtMs, atMs)}` : '';
}

/** Freeze windows may follow each other. */
function earliestAdvanceMs(spec: RolloutSpec, fromMs: number): number {
  let atMs = fromMs;
  for (let untilMs = frozenUntilMs(spec, atMs); untilMs !== null; untilMs = frozenUntilMs(spec, atMs)) atMs = untilMs;
  return atMs;
}

const soonMs = 10 * 60_000;

/** `14:00 UTC`, with the date unless it is the same, and with seconds if it is near. */
function moment(ms: number, nowMs: number): string {
  const [day, time = ''] = new Date(ms).toISOString().split('T');
  const date = day === new Date(nowMs).toISOString().slice(0, 10) ? '' : `${day} `;
  return `${date}${time.slice(0, Math.abs(ms - nowMs) < soonMs ? 8 : 5)} UTC`;
}
