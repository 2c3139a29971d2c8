import { limits } from '../../../src/contract/limits';
import { eventually } from '../../support/eventually';
import { hello } from '../gateway-service';
import { heldUser } from '../held-model';
import type { ClientService } from './client-service';

export interface BusySession {
  readonly headers: { readonly 'x-bellwether-session': string };
  /** Waits until one more request was refused. */
  readonly refusedAgain: () => Promise<void>;
  /** Lets its turns be answered, and waits for that. */
  readonly empty: () => Promise<void>;
}

/** A session whose queue is full, however slow the machine, until it is emptied. */
export async function fillSession(setting: ClientService): Promise<BusySession> {
  const headers = { 'x-bellwether-session': crypto.randomUUID() };
  setting.heldModel.hold();
  const refusals = (): number => setting.logged.filter((line) => line.includes('"status":429')).length;
  const before = refusals();
  const turns = Array.from({ length: limits.maxQueuedTurns + 1 }, () =>
    setting.call('/v1/chat/completions', { ...hello, user: heldUser }, headers),
  );
  // One of them is a turn too many, and is told so while the others wait.
  const first = await Promise.any(turns);
  if (first.status !== 429) throw new Error(`The session took one turn more than it has room for: ${first.status}`);
  await eventually('that is logged', () => refusals() > before);
  const withOwn = refusals();
  return {
    headers,
    refusedAgain: () => eventually('one more is refused', () => refusals() > withOwn),
    empty: async () => {
      setting.heldModel.release();
      await Promise.all(turns);
    },
  };
}
