import { conversationWorkflowId, turnName } from '../../../src/contract/names';
import type { Completion } from '../../../src/gateway/completion';
import { SessionErasure } from '../../../src/services/session-erasure';
import { eventually } from '../../support/eventually';
import { unique } from '../../support/temporal';
import { type ErrorAnswer, type GatewayService, startGatewayService } from '../gateway-service';

let setting: GatewayService;
let keyId: string;
beforeAll(async () => {
  setting = await startGatewayService();
  keyId = setting.key.split('_')[1] ?? '';
});
afterAll(() => setting.stop());

const errors: unknown[] = [];
/** As another worker would sweep, without the wait for lists that are behind. */
function erasure(): SessionErasure {
  const { ledger, temporal } = setting.service;
  return new SessionErasure({ ledger, client: temporal, listsAreBehindMs: 0, onError: (error) => errors.push(error) });
}

async function say(session: string, headers: Record<string, string> = {}): Promise<Completion> {
  const body = { model: 'bellwether', messages: [{ role: 'user', content: 'My name is Jane Roe.' }] };
  const response = await setting.call('/v1/chat/completions', body, { 'x-bellwether-session': session, ...headers });
  return (await response.json()) as Completion;
}

const idOf = (session: string): string => `${keyId}.${session}`;
const pathOf = (session: string): string => `/v1/sessions/${session}`;

async function remove(session: string, key = setting.key): Promise<Response> {
  const headers = { authorization: `Bearer ${key}` };
  return fetch(`${setting.gateway.url}${pathOf(session)}`, { method: 'DELETE', headers });
}

async function refusal(response: Response) {
  const { error } = (await response.json()) as ErrorAnswer;
  return [response.status, error.code];
}

async function isErased(session: string): Promise<boolean> {
  await erasure().sweep();
  const unfinished = await setting.service.ledger.sessions.unfinishedDeletions(1000);
  return !unfinished.includes(idOf(session));
}

async function executionsOf(session: string): Promise<number> {
  let count = 0;
  const query = `WorkflowId = '${conversationWorkflowId(idOf(session))}' OR BellwetherSession = '${idOf(session)}'`;
  for await (const _ of setting.service.temporal.workflow.list({ query })) count += 1;
  return count;
}

test('a session is deleted: its texts are gone, its costs stay, and it takes no more messages', async () => {
  const session = unique('session');
  const { bellwether } = await say(session);
  for (let time = 0; time < 2; time += 1) {
    const response = await remove(session);
    expect([response.status, await response.json()]).toEqual([
      200,
      { id: session, object: 'bellwether.session', deleted: true },
    ]);
    expect(await refusal(await setting.call(pathOf(session)))).toEqual([410, 'session_deleted']);
  }
  await eventually('the session is erased', () => isErased(session));
  expect(await executionsOf(session)).toBe(0);
  const handle = setting.service.temporal.workflow.getHandle(conversationWorkflowId(idOf(session)));
  await expect(handle.describe()).rejects.toThrow('not found');

  const body = { model: 'bellwether', messages: [{ role: 'user', content: 'Hello?' }] };
  const late = await setting.call('/v1/chat/completions', body, { 'x-bellwether-session': session });
  expect(await refusal(late)).toEqual([410, 'session_deleted']);
  expect(await setting.call('/v1/sessions').then((list) => list.text())).not.toContain(session);
  const attempts = await setting.service.ledger.attempts(turnName(bellwether.turn_id, idOf(session)));
  expect(attempts).toMatchObject([{ state: 'settled' }]);
  const turn = await setting.call(`/v1/turns/${bellwether.turn_id}`);
  expect(await turn.json()).toMatchObject({ status: 'answered', completion: null });
});

test('a deletion whose gateway died behind its mark is finished by workers, whichever of them dies', async () => {
  const session = unique('session');
  await say(session);
  await setting.service.ledger.sessions.beginDeletion(idOf(session), Date.now());
  // Two at once, as of two workers.
  await eventually('the session is erased', async () => (await Promise.all([isErased(session), isErased(session)]))[0]);
  expect(await executionsOf(session)).toBe(0);
  await expect(setting.service.client.send({ sessionId: idOf(session), content: 'Hello?' })).rejects.toThrow('closed');
  expect(errors).toEqual([]);
});

test('a turn that is under way is finished and recorded before it is deleted', async () => {
  const session = unique('session');
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 100 });
  const answer = say(session);
  await eventually('the turn has begun', async () => (await setting.service.simulator.calls()).some(isOpen));
  expect((await remove(session)).status).toBe(200);
  await erasure().sweep();
  expect((await answer).choices[0]?.finish_reason).toBe('stop');
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 0 });
  await eventually('the session is erased', () => isErased(session));
  expect(await executionsOf(session)).toBe(0);
});

const isOpen = ({ outcome }: { readonly outcome: string }): boolean => outcome === 'in-progress';

test('a session of another key is not found, and stays', async () => {
  const session = unique('session');
  await say(session);
  expect(await refusal(await remove(idOf(session), await setting.createKey()))).toEqual([404, 'session_not_found']);
  expect(await refusal(await remove(unique('none')))).toEqual([404, 'session_not_found']);
  expect((await setting.call(pathOf(session))).status).toBe(200);
});
