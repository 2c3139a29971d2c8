import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway-service';
import { answersIn, exchange } from './raw-answers';

/** As they stand in a path. */
const odd = {
  'a zero byte': '%00',
  'a zero byte amid letters': 'a%00b',
  'control characters': '%01%0D%0A%1F%7F',
  'half a character': '%ED%A0%80',
  'half an encoded byte': '%C3',
  'no encoding': '%zz',
  'a character that is not ASCII': '%F0%9F%91%8B',
  'a space': '%20',
  'a slash': '..%2F..%2Fetc%2Fpasswd',
  'a quotation mark': "'%20OR%201=1%20--",
  'the name of a prototype': '__proto__',
  'too many characters': 'x'.repeat(201),
  'many more characters': 'x'.repeat(10_000),
  'no character': '',
} as const;

/** In a JSON body; also what cannot stand in a URL. */
const oddTexts = [
  '\u0000',
  '\ud800',
  '\udfff\ud83d',
  '\u0001\r\n\u007f',
  'x'.repeat(100_000),
  '\u202eabc',
  '__proto__',
];

describeOnEachDatabase('ids that are none', (databases) => {
  let database: TestDatabase;
  let setting: GatewayService;
  beforeAll(async () => {
    database = await databases.create();
    const { databaseUrl } = database.location;
    setting = await startGatewayService({
      worker: false,
      environment: databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl },
    });
  });
  afterAll(async () => {
    await setting.stop();
    await database.remove();
  });

  async function expectRefusal(response: Response): Promise<void> {
    const { error } = (await response.json()) as ErrorAnswer;
    const isRefused = response.status >= 400 && response.status < 500;
    const isShort = error.message !== '' && error.message.length < 400;
    expect({ status: response.status, message: error.message, isRefused, isShort }).toMatchObject({
      isRefused: true,
      isShort: true,
    });
  }

  test.each(Object.entries(odd))('of turns and models are a 4xx in a path: %s', async (_, id) => {
    for (const path of [`/v1/turns/${id}`, `/v1/turns/${id}/stream`, `/v1/models/${id}x`, `/v1/turns/x?after=${id}`]) {
      await expectRefusal(await setting.call(path));
    }
    await expectRefusal(await setting.call(`/v1/turns/${id}/feedback`, { signal: 'up' }));
  });

  test('are a 4xx in a body, or stand for what they name', async () => {
    for (const text of oddTexts) {
      await expectRefusal(await setting.call('/v1/chat/completions', { ...hello, model: text }));
      // Names of users and sessions may be anything: only the model is wrong here.
      for (const named of [{ user: text }, { metadata: { session_id: text, user_id: text } }]) {
        const refused = await setting.call('/v1/chat/completions', { ...hello, ...named, messages: [] });
        await expectRefusal(refused);
      }
    }
  });

  test.each([
    'idempotency-key',
    'x-bellwether-session',
    'x-request-id',
    'last-event-id',
    'authorization',
    'x-openwebui-user-id',
  ])('are a 4xx in the header %s', async (name) => {
    for (const value of ['\x00', '\x01', '\x7f', '\xff\xfe', 'x'.repeat(15_000)]) {
      const authorization = name === 'authorization' ? '' : `authorization: Bearer ${setting.key}\r\n`;
      const body = JSON.stringify({ ...hello, messages: [] });
      const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${authorization}content-type: application/json\r\n`;
      const said = `${head}${name}: ${value}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
      const [answer] = answersIn(await exchange(setting.gateway.url, (socket) => socket.write(said, 'latin1')));
      expect(answer?.status).toBeGreaterThanOrEqual(400);
      expect(answer?.status).toBeLessThan(500);
    }
  });

  test('reach no log as errors of the service', () => {
    expect(setting.logged.filter((line) => (JSON.parse(line) as { level: number }).level >= 50)).toEqual([]);
  });
});
