import { randomBytes } from 'node:crypto';
import { conversationWorkflowId } from '../../src/contract/names';
import { type GatewayService, hello, startGatewayService } from './gateway-service';

let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService({
    environment: { BELLWETHER_ID_KEY: `ids:${randomBytes(32).toString('base64')}` },
  });
});
afterAll(() => setting.stop());

test('a session that is named by a mail address is one session, whose address neither Temporal nor the ledger has', async () => {
  const { client, ledger, temporal } = setting.service;
  for (let turn = 1; turn <= 2; turn += 1) {
    const response = await setting.call('/v1/chat/completions', hello, { 'x-bellwether-session': 'alice@example.com' });
    expect(response.status).toBe(200);
  }
  const rows = await ledger.attempts();
  const [sessionId, ...others] = [...new Set(rows.map((row) => row.sessionId))];
  expect({ sessionId, others }).toEqual({ sessionId: expect.stringMatching(/^hidden-h/), others: [] });
  expect(JSON.stringify(rows)).not.toContain('alice');
  expect(await client.spend(sessionId!)).toMatchObject({ turns: 2 });
  const handle = temporal.workflow.getHandle(conversationWorkflowId(sessionId!));
  const { searchAttributes, staticSummary } = await handle.describe();
  expect(JSON.stringify([searchAttributes, await staticSummary()])).not.toContain('alice');
});

test.each(['+49 170 1234567', 'Jörg <jörg@example.com>'])(
  'a session that is named %j, which is no id, has no hash that could be guessed',
  async (name) => {
    const headers = { 'x-bellwether-session': Buffer.from(name).toString('latin1') };
    const response = await setting.call('/v1/chat/completions', hello, headers);
    expect(response.status).toBe(200);
    const { bellwether } = (await response.json()) as { bellwether: { turn_id: string } };
    const rows = await setting.service.ledger.attempts();
    const [row] = rows.filter(({ turnName }) => turnName.startsWith(bellwether.turn_id));
    expect(row?.sessionId).toMatch(/^hidden-h[0-9a-f]{40}$/);
  },
);

test('the client finds the session by the address', async () => {
  const { client } = setting.service;
  const sessionId = 'bob@example.com';
  const reply = await client.send({ sessionId, content: 'Where is my order?' });
  expect((await client.transcript(sessionId)).turns).toHaveLength(1);
  expect(await client.turn(reply.turn_id, { sessionId })).toMatchObject({ turn_id: reply.turn_id });
  const oneShot = await client.complete({ sessionId, messages: [{ role: 'user', content: 'Hello' }] });
  expect(oneShot.success).toBe(true);
  const rows = await setting.service.ledger.attempts();
  expect(JSON.stringify(rows)).not.toContain('bob');
});
