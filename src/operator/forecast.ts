import type { RolloutSpec } from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';
import { type UsersNeeded, usersNeeded, usersNeededIn } from './users-needed';

const hourMs = 60 * 60 * 1000;

/** The traffic of the recent past, as far as the ledger shows it. */
export interface RecentTraffic {
  readonly turnsLastDay: number;
  readonly turnsLastHour: number;
  readonly usersLastDay: number;
  readonly usersLastHour: number;
  /** The period that the forecast continues: `last 48 hours`. Turns and different users in it, and users in each half. */
  readonly basis: (typeof windows)[number]['basis'];
  readonly basisMs: number;
  readonly turns: number;
  readonly users: number;
  readonly usersInEarlierHalf: number;
  readonly usersInLaterHalf: number;
}

/** Whether enough users come to decide in time. */
export interface TrafficForecast {
  readonly traffic: RecentTraffic;
  readonly turnsPerHour: number;
  /** Different users in a first hour, and new ones in every hour on average until `latestAdvanceMs`. */
  readonly usersPerHour: number;
  readonly newUsersPerHour: number;
  readonly needed: UsersNeeded;
  /** Different canary users who are closed by the end of the first step. */
  readonly byFirstStepEnd: number;
  /** The same by the latest end of the first step for the plan to end in time, with every later step at its minimum bake. */
  readonly byLatestAdvance: number;
  readonly latestAdvanceMs: number;
  /** The same if the first step lasted for ever. Infinity: ever more users come. */
  readonly ever: number;
  /** New users per hour at which 99.5 % of rollouts of a good canary end in time, including the steps' minimum of users. */
  readonly usersPerHourNeeded: number;
  /** Share of rollouts of a good canary that are decided by `latestAdvanceMs`; null when only approximated. */
  readonly decidesInTime: number | null;
  readonly verdict: 'enough' | 'too-few' | 'never';
}

/** The first is long enough for a quiet night to be in both of its halves. */
const windows = [
  { basis: 'last 48 hours', ms: 48 * hourMs },
  { basis: 'last 24 hours', ms: 24 * hourMs },
  { basis: 'last hour', ms: hourMs },
  { basis: 'last minute', ms: 60_000 },
  { basis: 'last 10 seconds', ms: 10_000 },
] as const;

/** The longest period at whose beginning, its first quarter, there was traffic already. */
export async function readTraffic(rollouts: Rollouts, atMs: number): Promise<RecentTraffic> {
  const between = async (
    sinceMs: number,
    untilMs?: number,
  ): Promise<{ readonly turns: number; readonly users: number }> => {
    const arms = await rollouts.traffic(sinceMs, untilMs);
    return {
      turns: arms.reduce((sum, { turns }) => sum + turns, 0),
      users: arms.reduce((sum, { users }) => sum + users, 0),
    };
  };
  const ofLast = async ({ basis, ms }: (typeof windows)[number]): Promise<RecentTraffic> => {
    const middleMs = atMs - ms / 2;
    const earlier = await between(atMs - ms, middleMs);
    const later = await between(middleMs);
    const halves = { usersInEarlierHalf: earlier.users, usersInLaterHalf: later.users };
    return { ...counts, basis, basisMs: ms, ...(await between(atMs - ms)), ...halves };
  };
  const day = await between(atMs - 24 * hourMs);
  const hour = await between(atMs - hourMs);
  const counts = {
    turnsLastDay: day.turns,
    turnsLastHour: hour.turns,
    usersLastDay: day.users,
    usersLastHour: hour.users,
  };
  for (const window of windows) {
    const { turns } = await between(atMs - window.ms, atMs - 0.75 * window.ms);
    if (turns > 0) return ofLast(window);
  }
  return ofLast({ basis: 'last hour', ms: hourMs });
}

/**
 * How many different users come within a time. If each comes at random times, as large a share of them as was new in the
 * second half of the known period is new in every further half compared with the one before. Growing traffic is not taken
 * for the same users.
 */
export function usersWithin(traffic: RecentTraffic, ms: number): number {
  const { users, usersInEarlierHalf, usersInLaterHalf, basisMs } = traffic;
  if (usersInLaterHalf === 0) return 0;
  const newShare = Math.min(1, (users - usersInEarlierHalf) / usersInLaterHalf);
  const halves = ms / (basisMs / 2);
  if (newShare === 1) return usersInLaterHalf * halves;
  return (usersInLaterHalf * (1 - newShare ** halves)) / (1 - newShare);
}

/** Share of the rollouts of a good canary that should end in time. */
const wantedShare = 0.995;

/** The latest end of the first step for the plan to end in time. Milliseconds after the start. */
export function latestAdvanceMs({ steps }: Pick<RolloutSpec, 'steps'>): number {
  const [first, ...later] = steps;
  const planEndMs = steps.at(-1)?.nominalEndMs ?? 0;
  return Math.max(
    first?.nominalEndMs ?? 0,
    planEndMs - later.reduce((sum, { minimumBakeMs }) => sum + minimumBakeMs, 0),
  );
}

export function forecastTraffic(spec: RolloutSpec, traffic: RecentTraffic): TrafficForecast {
  const { gates, steps } = spec;
  const needed = usersNeeded(gates);
  const [first] = steps;
  const lastMs = latestAdvanceMs(spec);
  const closingMs = (gates.userWindowMs ?? hourMs) + (gates.longestCallMs ?? 10 * 60_000);
  const firstShare = (first?.percent ?? 100) / 100;
  const canaryUsers = (ms: number): number => firstShare * usersWithin(traffic, Math.max(0, ms - closingMs));
  const byLatestAdvance = canaryUsers(lastMs);
  const ever = firstShare * usersWithin(traffic, Infinity);
  const forEvidence = usersNeededIn(needed, wantedShare);
  const callsPerUser = Math.min(gates.maxRequestsPerUser, Math.max(1, traffic.turns / Math.max(1, traffic.users)));
  const forSteps = steps.map((step) => ({
    ...step,
    users: Math.max(step.minimumUsers ?? gates.minimumStepRequests, gates.minimumStepRequests / callsPerUser),
  }));
  const missesAStep = forSteps.some(
    ({ percent, minimumBakeMs, users }) => (percent / 100) * usersWithin(traffic, Math.max(1, minimumBakeMs)) < users,
  );
  const isEnough = byLatestAdvance >= forEvidence && !missesAStep;
  // Without traffic, nothing is known.
  const isNever = traffic.turns > 0 && ever < needed.fewest;
  return {
    traffic,
    turnsPerHour: (traffic.turns * hourMs) / traffic.basisMs,
    usersPerHour: usersWithin(traffic, hourMs),
    newUsersPerHour: usersWithin(traffic, lastMs) / (lastMs / hourMs),
    needed,
    byFirstStepEnd: canaryUsers(first?.nominalEndMs ?? 0),
    byLatestAdvance,
    latestAdvanceMs: lastMs,
    ever,
    usersPerHourNeeded: Math.ceil(
      Math.max(
        forEvidence / firstShare / (Math.max(1, lastMs - closingMs) / hourMs),
        ...forSteps.map(
          ({ percent, minimumBakeMs, users }) => users / (percent / 100) / (Math.max(minimumBakeMs, 1) / hourMs),
        ),
      ),
    ),
    decidesInTime: needed.sufficient === null ? null : needed.sufficient(byLatestAdvance),
    verdict: isEnough ? 'enough' : isNever ? 'never' : 'too-few',
  };
}

/** For scripts; counts of users are rounded. */
export function forecastAsJson({ traffic, needed, ...forecast }: TrafficForecast): object {
  return {
    turns_last_24_hours: traffic.turnsLastDay,
    turns_last_hour: traffic.turnsLastHour,
    users_last_24_hours: traffic.usersLastDay,
    users_last_hour: traffic.usersLastHour,
    turns_per_hour: forecast.turnsPerHour,
    users_per_hour: Math.round(forecast.usersPerHour),
    new_users_per_hour: Math.round(forecast.newUsersPerHour),
    per_hour_from: traffic.basis,
    canary_users_needed_fewest: needed.fewest,
    canary_users_needed_median: Math.round(needed.median),
    canary_users_needed_99_percent: Math.round(needed.ninetyNinePercent),
    method: needed.method,
    canary_users_by_first_step_end: Math.round(forecast.byFirstStepEnd),
    canary_users_by_latest_advance: Math.round(forecast.byLatestAdvance),
    latest_advance_ms: forecast.latestAdvanceMs,
    /** Null: ever more users come. */
    canary_users_ever: Number.isFinite(forecast.ever) ? Math.round(forecast.ever) : null,
    decides_in_time: forecast.decidesInTime,
    users_per_hour_needed: forecast.usersPerHourNeeded,
    verdict: forecast.verdict,
    enough: forecast.verdict === 'enough',
  };
}
