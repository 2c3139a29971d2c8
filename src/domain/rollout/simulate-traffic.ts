import type { Problem } from '../../contract/problem';
import type { AnswerFlag } from '../../contract/user-evidence';
import { percentOf } from './findings';

/** What a simulation assumes about the traffic. Shares are from 0 to 1, times in milliseconds after the start. */
export interface SimulatedTraffic {
  /** Users of both arms who come in an hour, on average over the day. */
  readonly usersPerHour: number;
  /** How many different users there are; those who come again count once. Null: whoever comes is new. */
  readonly users: number | null;
  /** How many requests users send within their first hour; the shares add up to 1. */
  readonly requestsPerUser: readonly { readonly value: number; readonly share: number }[];
  /** Users whose every request fails, and those of whose requests half fail, on either arm. */
  readonly alwaysFail: number;
  readonly oftenFail: number;
  /** 0.5: half as many users more at the busiest hour than on average, and half as many fewer at the quietest. */
  readonly trafficSwing: number;
  /** 2: at the worst hour of the day, requests of ordinary users fail twice as often as at the best, on either arm. */
  readonly failureDrift: number;
  readonly incidents: readonly Incident[];
  readonly languages: readonly { readonly language: string; readonly share: number }[];
  /** The standard deviations of the logarithm of costs: between users, and between the requests of one user. */
  readonly costSpread: { readonly users: number; readonly requests: number };
  readonly baseline: SimulatedArm;
  readonly canary: SimulatedArm;
}

/** Both arms fail this share of the requests that they would have answered. */
export interface Incident {
  readonly fromMs: number;
  readonly toMs: number;
  readonly failing: number;
}

export interface SimulatedArm {
  /** Of requests of closed users, at the best hour of the day, including users who always or often fail. */
  readonly successRate: number;
  /** Users with a request that the arm declines as the caller's mistake. */
  readonly declined: number;
  /** Users who complain or are handed to a person. */
  readonly unhappy: number;
  /** Of users' first answers, those that carry a flag; in one language, if it is named. */
  readonly flags: readonly SimulatedFlag[];
  /** As multiples of the baseline's. */
  readonly latency: number;
  readonly cost: number;
}

export interface SimulatedFlag {
  readonly flag: AnswerFlag;
  readonly share: number;
  readonly language?: string | undefined;
}

const dayMs = 24 * 60 * 60 * 1000;

/** From -1 to 1 over a day that begins in the middle. */
function timeOfDay(atMs: number): number {
  return Math.sin((2 * Math.PI * atMs) / dayMs);
}

/** Users at this time compared with the average. */
export function trafficAt({ trafficSwing }: SimulatedTraffic, atMs: number): number {
  return 1 + trafficSwing * timeOfDay(atMs);
}

/** The chance that a request of a user without particular trouble fails. */
export function failureChanceAt(traffic: SimulatedTraffic, arm: SimulatedArm, atMs: number): number {
  const ordinary = ordinaryFailures(traffic, arm) * (1 + ((traffic.failureDrift - 1) * (1 + timeOfDay(atMs))) / 2);
  const spared = traffic.incidents
    .filter(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs)
    .reduce((share, { failing }) => share * (1 - failing), 1 - Math.min(1, ordinary));
  return 1 - spared;
}

/**
 * The share of failures that users without particular trouble must have for the arm's rate to come out. Negative: users
 * who always or often fail are more than the arm's failures.
 */
function ordinaryFailures({ alwaysFail, oftenFail }: SimulatedTraffic, { successRate }: SimulatedArm): number {
  const troubled = alwaysFail + oftenFail;
  const left = 1 - successRate - alwaysFail - oftenFail / 2;
  // Rounding leaves a trace of nothing.
  if (Math.abs(left) < 1e-12) return 0;
  return troubled >= 1 ? left : left / (1 - troubled);
}

/** What contradicts itself, or null. Checks what no single field shows. */
export function simulatedTrafficProblem(traffic: SimulatedTraffic): Problem | null {
  const { languages, requestsPerUser } = traffic;
  for (const arm of ['baseline', 'canary'] as const) {
    if (ordinaryFailures(traffic, traffic[arm]) >= 0) continue;
    const { successRate } = traffic[arm];
    const limit = 1 - successRate;
    const message = `exceed the failures of the ${arm}: users who always fail, and half of those who often fail, may be at most ${percentOf(limit)} at a success rate of ${percentOf(successRate)}`;
    return { path: ['alwaysFail'], code: 'contradiction', message, limit };
  }
  if (!isWhole(requestsPerUser)) {
    return { path: ['requestsPerUser'], code: 'contradiction', message: 'shares must add up to 100%' };
  }
  if (!isWhole(languages)) return { path: ['languages'], code: 'contradiction', message: 'shares must add up to 100%' };
  const known = new Set<string | undefined>(languages.map(({ language }) => language));
  const unknown = [...traffic.baseline.flags, ...traffic.canary.flags].find(
    ({ language }) => language !== undefined && !known.has(language),
  );
  if (unknown === undefined) return null;
  return {
    path: ['flags'],
    code: 'contradiction',
    message: `names ${unknown.language}, which no user speaks; give it a share`,
  };
}

function isWhole(parts: readonly { readonly share: number }[]): boolean {
  return Math.abs(parts.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-6;
}
