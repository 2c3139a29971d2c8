import { idOf, spellingOf } from '../../config/id-of';
import { type ApiKey, mayKey } from '../../contract/api-keys';
import type { KeySession } from '../../contract/sessions';
import { idProblem } from '../../domain/turn/validate-input';
import type { GatewayContext } from '../context';
import { GatewayError } from '../gateway-error';

/**
 * The id of a key's session, from the name that a request gives it. Each API key has sessions of its own: nobody reads
 * another's conversation by guessing its id.
 * @param stored hides personal data in an id. It comes before `idOf`, whose unkeyed hash anyone could test guesses against
 */
export function sessionIdOf(keyId: string, name: string, stored: (id: string) => string): string {
  const given = `${keyId}.${spellingOf(name)}`;
  const hidden = stored(given);
  return hidden === given ? idOf(name, `${keyId}.`) : hidden;
}

/** How a key names its session: as its requests did, or by what stands for a name that is hidden or too long. */
export function sessionNameOf({ sessionId, keyId }: Pick<KeySession, 'sessionId' | 'keyId'>, reader: ApiKey): string {
  const prefix = `${keyId}.`;
  return keyId === reader.id && sessionId.startsWith(prefix) ? sessionId.slice(prefix.length) : sessionId;
}

export const sessionNotFound = new GatewayError('session_not_found', 'There is no such session of this API key.');

/**
 * The key's own session, by any name that leads to it. A session of another key is not found either: nobody learns that it
 * exists. Keys that may read all turns find any, by its id in the ledger, if they only want to read.
 * @throws {GatewayError}
 */
export async function findSession(
  context: Pick<GatewayContext, 'ledger' | 'client'>,
  apiKey: ApiKey,
  name: string,
  use: 'read' | 'change',
): Promise<KeySession> {
  const found = await lookUpSession(context, apiKey, name, use === 'read' && mayKey(apiKey, 'read-all-turns'));
  if (found === null) throw sessionNotFound;
  if (found.deletedAtMs === null) return found;
  throw new GatewayError('session_deleted', 'This session was deleted. Begin another session.');
}

/** Also one that was deleted. */
export async function lookUpSession(
  { ledger, client }: Pick<GatewayContext, 'ledger' | 'client'>,
  apiKey: ApiKey,
  name: string,
  mayReadAll = false,
): Promise<KeySession | null> {
  const stored = (id: string): string => client.storedSessionId(id);
  const own = name.trim() === '' ? [] : [sessionIdOf(apiKey.id, name, stored)];
  // Then as lists show a name that is hidden, and as the ledger has it.
  for (const id of new Set([...own, name, stored(name)])) {
    const found = idProblem(['session'], id) === null ? await ledger.sessions.find(id) : null;
    if (found !== null && (found.keyId === apiKey.id || mayReadAll)) return found;
  }
  return null;
}
