/** A provider that says what no database or no payload takes: its turn ends all the same, and no call is made in vain. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Delivery } from '../../src/contract/chat';
import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';
import { primaryModel, startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

interface OddAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const json = (body: unknown, status = 200): OddAnswer => ({
  status,
  contentType: 'application/json',
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

const refusal = (message: string) => json({ error: { code: 'content_filter', message } }, 400);
const answer = (more: object) =>
  json({ choices: [{ message: { content: 'Hello.' }, finish_reason: 'stop' }], ...more });

const depth = 5_000;
const nested = json(
  `{"choices":[{"message":{"content":null,"tool_calls":[{"id":"a","type":"function","extra":${'['.repeat(depth)}${']'.repeat(depth)}}]}}]}`,
);

const controlCharacters: OddAnswer = {
  status: 200,
  contentType: 'text/event-stream',
  body:
    `data: ${JSON.stringify({ choices: [{ delta: { content: '\u0001'.repeat(1_000) } }] })}\n\n`.repeat(1_000) +
    `data: ${JSON.stringify({ choices: [{ delta: {}, finish_reason: 'stop' }] })}\n\n`,
};

describeOnEachDatabase('a provider that says what cannot be kept', (databases) => {
  let database: TestDatabase;
  let server: Server;
  let service: Service;
  let said: OddAnswer;
  let requestIds: string[];
  beforeAll(async () => {
    server = createServer((request, response) => {
      request.resume();
      requestIds.push(String(request.headers['x-request-id']));
      response.writeHead(said.status, { 'content-type': said.contentType });
      response.end(said.body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    database = await databases.create();
    const { databaseUrl } = database.location;
    service = await startService({
      environment: {
        HOLYSHEEP_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
        ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }),
      },
    });
  });
  afterAll(async () => {
    await service.stop();
    await database.remove();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function turnOf(odd: OddAnswer, delivery: Delivery = 'whole') {
    said = odd;
    requestIds = [];
    const turnId = unique('turn');
    const messages = [{ role: 'user', content: 'Where is my order?' }] as const;
    const reply = await service.client.complete({ turnId, delivery, messages });
    const rows = await service.ledger.attempts(turnId);
    expect(requestIds).toEqual(rows.map((row) => `${turnId}.${row.attempt}`));
    expect((await service.ledger.costTotals()).reservedNanoUsd).toBe(0);
    return { reply, rows };
  }

  test('a reason with a character that no database takes is told without it', async () => {
    const { reply, rows } = await turnOf(refusal('No\u0000poems \ud800about tarragon.'));
    expect(reply).toMatchObject({ success: false, error_kind: 'content-filter' });
    expect(reply.error).toContain('No poems about tarragon.');
    expect(rows).toMatchObject([{ state: 'released', outcome: 'content-filter' }]);
  });

  test.each(['deep\u0000seek', 'deep\ud800seek', 'm'.repeat(300_000), 7])(
    'a model name that is none (case %#) is taken for the model that was asked',
    async (model) => {
      const { reply, rows } = await turnOf(answer({ model, usage: { prompt_tokens: 10, completion_tokens: 2 } }));
      expect(reply).toMatchObject({ success: true, content: 'Hello.', model: primaryModel });
      expect(rows).toMatchObject([{ state: 'settled', completionTokens: 2 }]);
    },
  );

  test('an answer that is nested too deep is none, and each target is asked once', async () => {
    const { reply, rows } = await turnOf(nested);
    expect(reply).toMatchObject({ success: false, attempts: 2, error_kind: 'malformed-response' });
    expect(rows.map(({ state }) => state)).toEqual(['unconfirmed', 'unconfirmed']);
  });

  test('an answer that no payload holds is too large, and each target is asked once', async () => {
    const { reply, rows } = await turnOf(controlCharacters, 'collected');
    expect(reply).toMatchObject({ success: false, attempts: 2, error_kind: 'response-too-large' });
    expect(rows.map(({ state }) => state)).toEqual(['unconfirmed', 'unconfirmed']);
  });
});
