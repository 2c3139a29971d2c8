import type { Ledger } from '../../src/contract/ledger';
import { admitRequest, plan, reservation, reserveRequest, settled, turnRecord } from './requests';

interface UserTurn {
  readonly rollout: string;
  readonly turnId: string;
  /** Decides what happens in the turn. */
  readonly number: number;
}

const outcomes = [
  ...(['answered', 'answered', 'answered', 'server-error', 'timeout'] as const),
  ...(['bad-request', 'cancelled', 'malformed-response', 'circuit-open'] as const),
];
const signals = ['up', 'down', 'handoff', 'resolved'] as const;

/** A turn of one of eight users, at the database's time: some are retried, rated, flagged, recorded twice or never. */
export async function runUserTurn(ledger: Ledger, { rollout, turnId, number }: UserTurn): Promise<void> {
  const userId = `user ${number % 8}`;
  const arm = number % 8 < 5 ? 'holysheep' : 'legacy';
  const planned = plan(reservation(1_000_000, { arm }), { rollout, bake: 1 });
  const language = number % 3 === 0 ? 'zh' : 'en';
  const asked = { userId, keyId: `key ${number % 3}`, sessionId: `session ${number % 5}`, language };
  const admit = () => ledger.admit(untimed(admitRequest(turnId, 1_000_000, { ...asked, plan: () => planned })));
  await admit();
  const outcome = outcomes[number % 9]!;
  const isAskedFor = outcome === 'malformed-response' && number % 2 === 0;
  const ends = {
    latencyMs: number % 60,
    outcome,
    ...(isAskedFor && { mayBeAskedFor: true as const }),
    state: outcome === 'answered' ? 'settled' : 'unconfirmed',
  } as const;
  if (number % 7 === 0) return;
  // The worker died, and another takes the turn over.
  if (number % 11 === 0) await admit();
  await ledger.settleAttempt(turnId, settled(1, (number % 100) * 1_000, ends));
  if (outcome === 'timeout') {
    await ledger.reserveAttempt(untimed(reserveRequest(turnId, 1_000_000, { keyId: asked.keyId })));
  }
  const attempt = outcome === 'timeout' || number % 11 === 0 ? 2 : 1;
  const flags = number % 4 === 0 ? (['empty', 'wrong-language'] as const) : [];
  const record = turnRecord(turnId, attempt === 1 ? [] : [settled(attempt, 5_000)], { flags });
  await ledger.recordTurn(untimed(record));
  if (number % 13 === 0) await ledger.recordTurn(untimed({ ...record, outcome: 'degraded' as const }));
  if (number % 5 === 0) await ledger.flagAnswer(turnId, 'asked-again');
  if (number % 3 === 0) await ledger.recordFeedback({ turnId, signal: signals[number % 4]! });
  if (number % 9 === 0) await ledger.recordFeedback({ turnId, signal: signals[(number + 1) % 4]! });
}

/** At the database's time. */
function untimed<Request extends { readonly atMs?: number }>({
  atMs: _fixed,
  ...request
}: Request): Omit<Request, 'atMs'> {
  return request;
}
