import type { ArmEvidence } from '../contract/rollout';
import type { UserTally } from '../contract/user-evidence';
import { evidenceDueAtMs, stepDueAtMs } from '../domain/rollout/clock';
import { cleanRequestsToGo, ofRequests, ofUsers, requestsOf } from '../domain/rollout/evidence';
import { figuresOf } from '../domain/rollout/figures';
import { successInterval } from '../domain/rollout/migration-report';
import { cleanUsersToGo } from '../domain/rollout/user-measures';
import { toUsd } from '../domain/turn/prices';
import { actualShare, isoTime, phaseShown, type RolloutView } from './view';
import { isOverdue, routingProblem, warningsOf } from './warnings';

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

function evidenceAsJson({ spec, state, evidence }: RolloutView): object | null {
  if (evidence === null) return null;
  const { advance, onesided } = figuresOf(spec, evidence, state.percent);
  const figures = { e: advance.value, e_needed: advance.needed };
  const byUsers = ofUsers(evidence);
  if (byUsers !== null) {
    const { baseline, canary, canaryLargestKey: key } = byUsers;
    return {
      ...figures,
      clean_users_to_go: cleanUsersToGo(byUsers, spec),
      largest_key: key ? { id: key.keyId, users: key.users } : null,
      onesided,
      [spec.baselineArm]: usersAsJson(baseline),
      [spec.canaryArm]: usersAsJson(canary),
    };
  }
  const byRequests = ofRequests(evidence);
  if (byRequests === null) return figures;
  const { baseline, canary, canaryLargestKey: key } = byRequests;
  return {
    ...figures,
    clean_requests_to_go: cleanRequestsToGo(advance, spec.gates),
    largest_key: key ? { id: key.keyId, requests: key.requests } : null,
    one_key: onesided[0] ?? null,
    [spec.baselineArm]: armAsJson(baseline),
    [spec.canaryArm]: armAsJson(canary),
  };
}

/** By first calls of users; latencies and languages are in `explain`. */
function usersAsJson(arm: UserTally): object {
  const { turns, users, firstCalls, firstCallFaults, faultyUsers, declinedUsers, successfulTurns, costNanoUsd } = arm;
  const successes = firstCalls - firstCallFaults;
  return {
    turns,
    users,
    first_calls: firstCalls,
    success_rate: firstCalls === 0 ? null : successes / firstCalls,
    success_rate_interval: successInterval(successes, firstCalls),
    users_with_fault: faultyUsers,
    users_declined: declinedUsers,
    cost_per_success: successfulTurns === 0 ? null : toUsd(Math.round(costNanoUsd / successfulTurns)),
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
