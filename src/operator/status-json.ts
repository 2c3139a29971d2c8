import type { ArmEvidence, RolloutSpec, RolloutState } from '../contract/rollout';
import type { UserEvidence } from '../contract/user-evidence';
import { evidenceDueAtMs, stepDueAtMs } from '../domain/rollout/clock';
import { cleanRequestsToGo, measure, requestsOf } from '../domain/rollout/evidence';
import { figuresOf } from '../domain/rollout/figures';
import { oneKeyFinding } from '../domain/rollout/findings';
import { successInterval } from '../domain/rollout/migration-report';
import { cleanUsersToGo } from '../domain/rollout/user-measures';
import { type OfArms, type ReportedUsers, reportOfUsers } from '../domain/rollout/user-report';
import { toUsd } from '../domain/turn/prices';
import { actualShare, isoTime, phaseShown, type RolloutView } from './view';
import { isOverdue, reportedFindings, routingProblem, warningsOf } from './warnings';

/** A status for scripts: times as ISO texts, latencies in milliseconds, money in US dollars, shares from 0 to 1. */
export function statusAsJson(view: RolloutView): object {
  const { spec, state, split, evidence, outlook, workflow, analysisDueAtMs } = view;
  const isRunning = analysisDueAtMs !== null;
  return {
    rollout: spec.name,
    from: spec.baselineArm,
    to: spec.canaryArm,
    phase: phaseShown(view),
    message: state.message,
    workflow,
    warnings: warningsOf(view),
    step: Math.min(state.step + 1, spec.steps.length),
    steps: spec.steps.length,
    percent: state.percent,
    routing: split === null ? null : { rollout: split.rollout, percent: split.percent, active: split.active },
    routing_problem: routingProblem(view),
    actual_share: actualShare(view),
    evidence: evidence === null ? null : evidenceAsJson(view),
    missing: outlook?.missing ?? [],
    outlook: outlook === null ? null : { action: outlook.action, reason: outlook.reason },
    started_at: isoTime(state.startedAtMs),
    ended_at: state.endedAtMs === null ? null : isoTime(state.endedAtMs),
    next_analysis_at: analysisDueAtMs === null ? null : isoTime(analysisDueAtMs),
    overdue_since: isOverdue(view) && analysisDueAtMs !== null ? isoTime(analysisDueAtMs) : null,
    step_due_at: isRunning ? isoTime(stepDueAtMs(spec, state)) : null,
    evidence_due_at: isRunning && state.phase !== 'Promoting' ? isoTime(evidenceDueAtMs(spec, state)) : null,
    reached: state.reached.map(({ percent, startedAtMs, because }) => ({
      percent,
      at: isoTime(startedAtMs),
      because,
    })),
  };
}

function evidenceAsJson(view: RolloutView): object | null {
  const { spec, state, evidence } = view;
  if (evidence === null) return null;
  if ('rule' in evidence) {
    return { ...userEvidenceAsJson(spec, state, evidence), reported: reportedFindings(view) };
  }
  const { advance } = measure(evidence, spec.gates, state.percent);
  return {
    e: advance.value,
    e_needed: advance.needed,
    clean_requests_to_go: cleanRequestsToGo(advance, spec.gates),
    largest_key: evidence.canaryLargestKey
      ? { id: evidence.canaryLargestKey.keyId, requests: evidence.canaryLargestKey.requests }
      : null,
    one_key: oneKeyFinding(spec, evidence),
    [spec.baselineArm]: armAsJson(evidence.baseline),
    [spec.canaryArm]: armAsJson(evidence.canary),
  };
}

function userEvidenceAsJson(spec: RolloutSpec, { percent }: RolloutState, evidence: UserEvidence): object {
  const { advance, onesided } = figuresOf(spec, evidence, percent);
  const { canaryLargestKey: key, canary, baseline } = evidence;
  const report = reportOfUsers([evidence]);
  return {
    e: advance.value,
    e_needed: advance.needed,
    clean_users_to_go: cleanUsersToGo(evidence, spec),
    largest_key: key ? { id: key.keyId, users: key.users } : null,
    onesided,
    [spec.baselineArm]: { turns: baseline.turns, ...usersAsJson(report, 'baseline') },
    [spec.canaryArm]: { turns: canary.turns, ...usersAsJson(report, 'canary') },
    languages: report.languages.map((one) => ({
      language: one.language,
      [spec.baselineArm]: usersAsJson(one, 'baseline'),
      [spec.canaryArm]: usersAsJson(one, 'canary'),
    })),
  };
}

/** Shares are of users. */
function usersAsJson(report: ReportedUsers, arm: keyof OfArms<unknown>): object {
  const { users, success, troubled, declined, unhappy, satisfaction, costPerSuccessNanoUsd } = report;
  const cost = costPerSuccessNanoUsd[arm];
  return {
    users: users[arm],
    success_rate: success[arm]?.rate ?? null,
    success_rate_interval: success[arm]?.interval ?? null,
    troubled_rate: troubled[arm]?.rate ?? null,
    declined_rate: declined[arm]?.rate ?? null,
    unhappy_rate: unhappy[arm]?.rate ?? null,
    satisfaction: satisfaction[arm]?.rate ?? null,
    satisfaction_interval: satisfaction[arm]?.interval ?? null,
    flags: Object.fromEntries(report.flags.map(({ flag, share }) => [flag, share[arm]?.rate ?? null])),
    cost_per_success: cost === null ? null : toUsd(cost),
  };
}

function armAsJson(arm: ArmEvidence): object {
  const requests = requestsOf(arm);
  return {
    turns: arm.turns,
    users: arm.users,
    requests,
    success_rate: requests === 0 ? null : arm.successes / requests,
    success_rate_interval: successInterval(arm.successes, requests),
    latency_mean_ms: arm.latencyMeanMs,
    latency_p95_ms: arm.latencyP95Ms,
    cost_per_success: arm.successfulTurns === 0 ? null : toUsd(Math.round(arm.costNanoUsd / arm.successfulTurns)),
  };
}
