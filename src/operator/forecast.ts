import type { RolloutGates, RolloutSpec } from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';

const hourMs = 60 * 60 * 1000;

/** The traffic rate, as far as the ledger shows it. */
export interface TrafficRate {
  readonly turnsLastDay: number;
  readonly turnsLastHour: number;
  readonly turnsPerHour: number;
  /** The period over which `turnsPerHour` is the mean. */
  readonly basis: (typeof windows)[number]['basis'];
}

/** Whether there is enough traffic to decide in time. All counts are of canary requests. */
export interface TrafficForecast {
  readonly rate: TrafficRate;
  readonly needed: RequestsNeeded;
  readonly byFirstStepEnd: number;
  /** By the latest end of the first step for the plan to end in time, with every later step at its minimum bake. */
  readonly byLatestAdvance: number;
  readonly latestAdvanceMs: number;
  /** When every step ends as planned. */
  readonly byPlanEnd: number;
  /** Turns per hour at which 99.5 % of rollouts of a good canary end in time, including the steps' minimum requests. */
  readonly turnsPerHourNeeded: number;
  /** Share of rollouts of a good canary that are decided by `latestAdvanceMs`; null when only approximated. */
  readonly decidesInTime: number | null;
  readonly isEnough: boolean;
}

const windows = [
  { basis: 'last 24 hours', ms: 24 * hourMs },
  { basis: 'last hour', ms: hourMs },
  { basis: 'last minute', ms: 60_000 },
  { basis: 'last 10 seconds', ms: 10_000 },
] as const;

/** The mean of the last day; for a service younger than half a day, of its last hour, minute or seconds. */
export async function readTrafficRate(rollouts: Rollouts, atMs: number): Promise<TrafficRate> {
  const turnsOfLast = async (ms: number): Promise<number> => {
    const arms = await rollouts.traffic(atMs - ms);
    return arms.reduce((sum, { turns }) => sum + turns, 0);
  };
  const turnsLastDay = await turnsOfLast(windows[0].ms);
  const turnsLastHour = await turnsOfLast(windows[1].ms);
  const counts = { turnsLastDay, turnsLastHour };
  if (turnsLastDay === 0) return { ...counts, turnsPerHour: 0, basis: windows[0].basis };
  for (const { basis, ms } of windows) {
    const turns = await turnsOfLast(ms);
    if (turns > (await turnsOfLast(ms / 2))) return { ...counts, turnsPerHour: (turns * hourMs) / ms, basis };
  }
  return { ...counts, turnsPerHour: turnsLastHour, basis: 'last hour' };
}

/** Share of the rollouts of a good canary that should end in time. */
const wantedShare = 0.995;

export function forecastTraffic(spec: RolloutSpec, rate: TrafficRate): TrafficForecast {
  const needed = requestsNeeded(spec.gates);
  const [first, ...later] = spec.steps;
  const planEndMs = spec.steps.at(-1)?.nominalEndMs ?? 0;
  const latestAdvanceMs = Math.max(
    first?.nominalEndMs ?? 0,
    planEndMs - later.reduce((sum, { minimumBakeMs }) => sum + minimumBakeMs, 0),
  );
  const canaryRequests = (percent: number, ms: number): number => (rate.turnsPerHour * percent * ms) / (100 * hourMs);
  const firstPercent = first?.percent ?? 100;

  const hoursForE = ((latestAdvanceMs / hourMs) * firstPercent) / 100;
  const forEvidence = quantile(needed, wantedShare) / hoursForE;
  const forSteps = spec.steps.map(
    ({ percent, minimumBakeMs }) =>
      spec.gates.minimumStepRequests / ((percent / 100) * (Math.max(minimumBakeMs, 1) / hourMs)),
  );
  const turnsPerHourNeeded = Math.ceil(Math.max(forEvidence, ...forSteps));
  const byLatestAdvance = canaryRequests(firstPercent, latestAdvanceMs);
  return {
    rate,
    needed,
    byFirstStepEnd: canaryRequests(firstPercent, first?.nominalEndMs ?? 0),
    byLatestAdvance,
    latestAdvanceMs,
    byPlanEnd: spec.steps.reduce((sum, { percent, nominalEndMs }, index) => {
      return sum + canaryRequests(percent, nominalEndMs - (spec.steps[index - 1]?.nominalEndMs ?? 0));
    }, 0),
    turnsPerHourNeeded,
    decidesInTime: needed.sufficient === null ? null : needed.sufficient(byLatestAdvance),
    isEnough: rate.turnsPerHour >= turnsPerHourNeeded,
  };
}

function quantile({ sufficient, ninetyNinePercent }: RequestsNeeded, share: number): number {
  if (sufficient === null) return ninetyNinePercent;
  let requests = ninetyNinePercent;
  while (sufficient(requests) < share) requests += 1;
  return requests;
}

/** For scripts; counts are of canary requests, rounded. */
export function forecastAsJson({ rate, needed, ...forecast }: TrafficForecast): object {
  return {
    turns_last_24_hours: rate.turnsLastDay,
    turns_last_hour: rate.turnsLastHour,
    turns_per_hour: rate.turnsPerHour,
    turns_per_hour_from: rate.basis,
    canary_requests_needed_mean: Math.round(needed.mean),
    canary_requests_needed_99_percent: Math.round(needed.ninetyNinePercent),
    method: needed.method,
    canary_requests_by_first_step_end: Math.round(forecast.byFirstStepEnd),
    canary_requests_by_latest_advance: Math.round(forecast.byLatestAdvance),
    latest_advance_ms: forecast.latestAdvanceMs,
    canary_requests_by_plan_end: Math.round(forecast.byPlanEnd),
    decides_in_time: forecast.decidesInTime,
    turns_per_hour_needed: forecast.turnsPerHourNeeded,
    enough: forecast.isEnough,
  };
}

/** How many canary requests it takes to gather the evidence for advancing. */
interface RequestsNeeded {
  readonly mean: number;
  /** Enough in 99 of 100 rollouts. */
  readonly ninetyNinePercent: number;
  /** Probability that this many requests suffice; null if only approximated. */
  readonly sufficient: ((requests: number) => number) | null;
  /** `exact`: the rule followed request by request; `approximate`: Wald's approximation, for gates that need very many. */
  readonly method: 'exact' | 'approximate';
}

/**
 * Up to this mean, the rule is followed request by request, which takes a second at most, and a twentieth of that for the
 * default gates.
 */
const maxExactMean = 20_000;
/** The calculation ends when this share of rollouts is still undecided. */
const negligible = 1e-6;

/** For a canary whose true success rate is the gates' expected one, evaluated after every request. */
export function requestsNeeded(gates: RolloutGates): RequestsNeeded {
  const { alpha, minimumSuccessRate, expectedSuccessRate } = gates;
  const gain = Math.log(expectedSuccessRate / minimumSuccessRate);
  const loss = Math.log((1 - minimumSuccessRate) / (1 - expectedSuccessRate));
  const needed = Math.log(1 / alpha);
  const drift = expectedSuccessRate * gain - (1 - expectedSuccessRate) * loss;
  const waldMean = needed / drift;
  if (waldMean > maxExactMean) return approximation(waldMean);
  // An early failure must be made up for, too; if little evidence is needed, that takes longest.
  const maxRequests = Math.ceil(((needed + loss) / drift) * 20);
  return follow({ gain, loss, needed, failureRate: 1 - expectedSuccessRate, maxRequests });
}

interface Walk {
  /** Evidence that a success adds and a failure takes away. */
  readonly gain: number;
  readonly loss: number;
  readonly needed: number;
  readonly failureRate: number;
  readonly maxRequests: number;
}

/**
 * After n requests, the evidence suffices if there were few enough failures. `undecided[f]` is the probability of f
 * failures without sufficient evidence so far.
 */
function follow({ gain, loss, needed, failureRate, maxRequests }: Walk): RequestsNeeded {
  const decidedBy: number[] = [0];
  let undecided = [1];
  let firstFailures = 0;
  let left = 1;
  let mean = 0;
  for (let n = 1; n <= maxRequests && left > negligible; n += 1) {
    mean += left;
    const next = Array.from({ length: undecided.length + 1 }, () => 0);
    for (const [index, probability] of undecided.entries()) {
      next[index] = (next[index] ?? 0) + probability * (1 - failureRate);
      next[index + 1] = (next[index + 1] ?? 0) + probability * failureRate;
    }
    const enough = Math.floor((n * gain - needed) / (gain + loss));
    while (firstFailures <= enough && next.length > 0) {
      left -= next.shift() ?? 0;
      firstFailures += 1;
    }
    while ((next.at(-1) ?? 1) < 1e-15) next.pop();
    undecided = next;
    decidedBy.push(1 - left);
  }
  return {
    mean,
    ninetyNinePercent: decidedBy.findIndex((probability) => probability >= 0.99),
    sufficient: (requests) => decidedBy[Math.min(Math.max(0, Math.floor(requests)), decidedBy.length - 1)] ?? 0,
    method: 'exact',
  };
}

/** The time to decide is skewed: its 99 % quantile is about 2.5 times its mean. */
function approximation(mean: number): RequestsNeeded {
  return { mean, ninetyNinePercent: 2.5 * mean, sufficient: null, method: 'approximate' };
}
