import { randomUUID } from 'node:crypto';
import type { Target } from '../contract/policy';
import type { AttemptTicket, ModelCallInput } from '../contract/turn';
import { refusalReason } from '../domain/refusal';
import { reservationFor } from './admit-turn';
import type { ActivityDependencies } from './dependencies';
import { type Failed, notMade, settlementOfFailure } from './settlements';

/** Reserves what a further call of an admitted turn may cost at worst. */
export async function reserveAttempt(
  { ledger, policy, owner }: ActivityDependencies,
  input: ModelCallInput,
  target: Target,
): Promise<AttemptTicket | Failed> {
  const result = await ledger.reserveAttempt({
    turnId: input.turnId,
    keyId: input.keyId,
    reservation: reservationFor(input.arm, target, policy, input),
    requestId: randomUUID(),
    owner,
    caps: policy.budgets,
    atMs: Date.now(),
  });
  if (result.kind === 'reserved') return { attempt: result.attempt, reservedNanoUsd: result.reservedNanoUsd, owner };
  return notMade('budget', result.scope === 'closed' ? 'The session was closed.' : refusalReason(result.scope));
}

/** A reservation that is too small for what is to be asked, and that no call was made for. */
export async function giveBack(
  { ledger }: ActivityDependencies,
  { turnId }: ModelCallInput,
  ticket: AttemptTicket,
): Promise<void> {
  const unused = notMade('cancelled', 'The call was replaced by one that goes on from an answer which broke off.');
  await ledger.settleAttempt(turnId, settlementOfFailure(ticket, unused));
}
