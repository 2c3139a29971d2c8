import { randomUUID } from 'node:crypto';
import type { Settlement } from '../../src/contract/turn';
import type { NewApiKey } from '../../src/contract/api-keys';
import type {
  AdmitRequest,
  CountedIn,
  Reservation,
  ReserveRequest,
  TurnPlan,
  TurnRecord,
} from '../../src/contract/ledger';

/** Noon of a UTC day, so that `dayMs` moves tests by whole days. */
export const noonMs = Date.UTC(2026, 10, 23, 12);
export const dayMs = 24 * 60 * 60 * 1000;

/** Caps that refuse nothing. */
export const wideCaps = { sessionNanoUsd: 1_000_000_000_000, dayNanoUsd: 1_000_000_000_000 };

export function reservation(worstCaseNanoUsd: number, over: Partial<Reservation> = {}): Reservation {
  return {
    arm: 'holysheep',
    target: 'holysheep-primary',
    provider: 'holysheep',
    model: 'deepseek-v3.2',
    worstCaseNanoUsd,
    ...over,
  };
}

export function plan(planned: Reservation, countedIn: CountedIn | null = null): TurnPlan {
  return { reservation: planned, countedIn };
}

export function admitRequest(turnId: string, worstCaseNanoUsd: number, over: Partial<AdmitRequest> = {}): AdmitRequest {
  return {
    turnId,
    sessionId: 'session',
    userId: 'user',
    plan: () => plan(reservation(worstCaseNanoUsd)),
    requestId: randomUUID(),
    owner: 'worker',
    caps: wideCaps,
    atMs: noonMs,
    ...over,
  };
}

export function reserveRequest(
  turnId: string,
  worstCaseNanoUsd: number,
  over: Partial<ReserveRequest> = {},
): ReserveRequest {
  return {
    turnId,
    reservation: reservation(worstCaseNanoUsd),
    requestId: randomUUID(),
    owner: 'worker',
    caps: wideCaps,
    atMs: noonMs,
    ...over,
  };
}

export function settled(attempt: number, costNanoUsd: number, over: Partial<Settlement> = {}): Settlement {
  return {
    attempt,
    state: 'settled',
    costNanoUsd,
    usage: { promptTokens: 30, cachedPromptTokens: 10, completionTokens: 12 },
    outcome: 'answered',
    httpStatus: 200,
    latencyMs: 180.4,
    endedAtMs: noonMs + 180,
    ...over,
  };
}

export function released(attempt: number): Settlement {
  return settled(attempt, 0, { state: 'released', usage: null, outcome: 'rate-limited', httpStatus: 429 });
}

export function unconfirmed(attempt: number): Settlement {
  return settled(attempt, 0, { state: 'unconfirmed', usage: null, outcome: 'timeout', httpStatus: null });
}

export function turnRecord(
  turnId: string,
  settlements: readonly Settlement[],
  over: Partial<TurnRecord> = {},
): TurnRecord {
  return {
    turnId,
    outcome: 'answered',
    target: 'holysheep-primary',
    model: 'deepseek-v3.2',
    error: null,
    settlements,
    dayCapNanoUsd: wideCaps.dayNanoUsd,
    atMs: noonMs + 200,
    ...over,
  };
}

/** A key without any limit. */
export function newKey(id: string, over: Partial<NewApiKey> = {}): NewApiKey {
  return {
    id,
    name: `name of ${id}`,
    role: 'chat',
    secretHash: `hash of ${id}`,
    dayNanoUsd: null,
    totalNanoUsd: null,
    models: null,
    requestsPerMinute: null,
    createdAtMs: noonMs,
    expiresAtMs: null,
    ...over,
  };
}
