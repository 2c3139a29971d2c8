import { withoutPersonalData } from '../../client/personal-ids';
import type { SessionPage, SessionTurn } from '../../contract/page';
import { idOf } from '../../config/id-of';
import { conversationWorkflowId, oneShotTurnName, turnIdOf, turnWorkflowId } from '../../contract/names';
import type { TurnFacts } from '../../contract/page-ledger';
import type { PageSources } from './read-page-data';

/**
 * The newest turns of a session, however its name is spelled. A session that nobody knows has none.
 * @param idKey hides sessions that are named by personal data; see `withoutPersonalData`
 */
export async function readSessionPage(
  { ledger, service }: { readonly ledger: Pick<PageSources['ledger'], 'page'> } & Pick<PageSources, 'service'>,
  name: string,
  idKey?: Uint8Array,
): Promise<SessionPage> {
  const id = withoutPersonalData(idOf(name), idKey);
  const { turns, costNanoUsd } = await ledger.page.session(id);
  return { id, turns: turns.map((turn) => sessionTurn(turn, id, service)), costNanoUsd };
}

function sessionTurn(facts: TurnFacts, session: string, service: PageSources['service']): SessionTurn {
  const { turnName, endedAtMs, outcome, ...turn } = facts;
  return {
    ...turn,
    turn: turnIdOf(turnName),
    outcome: outcome ?? 'in progress',
    latencyMs: endedAtMs === null ? null : Math.max(0, endedAtMs - turn.atMs),
    workflowUrl: workflowUrl(workflowIdOf(turnName, session), service),
  };
}

/** A turn of the conversation is part of the session's workflow; one that brought its whole history has one of its own. */
function workflowIdOf(turnName: string, session: string): string {
  const turnId = turnIdOf(turnName);
  const isOneShot = turnName === oneShotTurnName(turnId, session);
  return isOneShot ? turnWorkflowId(turnId, session) : conversationWorkflowId(session);
}

function workflowUrl(workflowId: string, { temporalUiUrl, namespace }: PageSources['service']): string | null {
  if (temporalUiUrl === null) return null;
  return `${temporalUiUrl}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`;
}
