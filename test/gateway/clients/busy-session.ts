import { limits } from '../../../src/contract/limits';
import { primaryModel } from '../../support/service';
import { type GatewayService, hello } from '../gateway-service';

/** The first turn of the session takes so long: a client that comes next finds the queue full, however slow the machine. */
const firstTurnMs = 4_000;

export interface BusySession {
  readonly headers: { readonly 'x-bellwether-session': string };
  /** Resolves when the last of its turns is answered. */
  readonly emptied: Promise<unknown>;
}

/** A session whose queue is full until its first turn is answered; all the others are answered at once then. */
export async function fillSession(setting: GatewayService): Promise<BusySession> {
  const headers = { 'x-bellwether-session': crypto.randomUUID() };
  await setting.service.simulator.queueFaults(primaryModel, [{ kind: 'late-first-token', ms: firstTurnMs }]);
  const turns = Array.from({ length: limits.maxQueuedTurns + 1 }, () =>
    setting.call('/v1/chat/completions', hello, headers),
  );
  // One of them is a turn too many, and is told so while the others wait.
  const first = await Promise.any(turns);
  if (first.status !== 429) throw new Error(`The session took one turn more than it has room for: ${first.status}`);
  return { headers, emptied: Promise.all(turns) };
}
