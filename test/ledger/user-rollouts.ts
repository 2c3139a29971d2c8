import type { Ledger } from '../../src/contract/ledger';
import type { Exposure, UserEvidence, UserEvidenceRequest } from '../../src/contract/user-evidence';
import type { Settlement } from '../../src/contract/turn';
import { admitRequest, plan, reservation, settled, turnRecord } from './requests';
import { defaultArm, entry } from './rollout-entries';

const hourMs = 60 * 60 * 1000;

/** Starts a rollout that counts users, whatever was under way before; `percent`: of the canary. */
export async function startRollout(
  ledger: Ledger,
  name: string,
  over: Partial<Exposure> = {},
  percent = 10,
): Promise<void> {
  const exposure: Exposure = { userWindowMs: hourMs, longestCallMs: hourMs / 6, maxRequestsPerUser: 20, ...over };
  const gates = { ...entry(1).spec.gates, ...exposure };
  const started = await ledger.rollouts.record(
    entry(1, { percent, spec: { name, rule: 2, gates, takeOver: true } }),
    defaultArm,
  );
  expect(started).toMatchObject({ kind: 'recorded' });
}

export function evidenceRequest(rollout: string, over: Partial<UserEvidenceRequest> = {}): UserEvidenceRequest {
  return {
    rollout,
    bake: 1,
    baselineArm: 'legacy',
    canaryArm: 'holysheep',
    limits: { callMs: null, firstTokenMs: null },
    maxLatencyPercent: 110,
    excluded: [],
    withFaultiestKeys: true,
    ...over,
  };
}

interface PlayedTurn {
  readonly rollout: string;
  readonly atMs: number;
  readonly turnId?: string;
  readonly userId?: string | null;
  readonly keyId?: string | null;
  readonly language?: string;
  readonly arm?: string;
  readonly bake?: number;
}

/** Admits a turn; returns its id. */
export async function admitTurn(ledger: Ledger, played: PlayedTurn): Promise<string> {
  const { rollout, arm = 'holysheep', bake = 1, turnId = crypto.randomUUID(), userId = 'ann', ...asked } = played;
  const planned = plan(reservation(1_000, { arm }), { rollout, bake });
  const over = { ...asked, userId, sessionId: null, plan: () => planned };
  expect(await ledger.admit(admitRequest(turnId, 1_000, over))).toMatchObject({ kind: 'admitted' });
  return turnId;
}

/** Admits a turn, and ends it with its first call 1 ms later. */
export async function playTurn(
  ledger: Ledger,
  played: PlayedTurn,
  outcome: Settlement['outcome'] = 'answered',
  over: Partial<Settlement> = {},
): Promise<string> {
  const turnId = await admitTurn(ledger, played);
  const isAnswered = outcome === 'answered';
  const end = settled(1, 400, { outcome, state: isAnswered ? 'settled' : 'unconfirmed', ...over });
  const record = { outcome: isAnswered ? 'answered' : 'degraded', atMs: played.atMs + 1 } as const;
  await ledger.recordTurn(turnRecord(turnId, [end], record));
  return turnId;
}

export function readEvidence(
  ledger: Ledger,
  rollout: string,
  over: Partial<UserEvidenceRequest> = {},
): Promise<UserEvidence> {
  return ledger.rollouts.userEvidence(evidenceRequest(rollout, over));
}
