import type { Completion } from '../../src/gateway/completion';
import { answersIn, exchange } from './raw-answers';
import { type GatewayService, hello, startGatewayService } from './gateway-service';
import { primaryModel } from '../support/service';
import { unique } from '../support/temporal';

const names = ['user-7', 'user 7', 'u-ü', '用户7', 'Zoë'];
/** Accents and spaces that others would write otherwise. */
const otherSpelling = (name: string) => ` ${name.normalize('NFD')} `;

let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService({
    configuration: {
      arms: { staff: { targets: [{ name: 'staff-primary', provider: 'holysheep', model: primaryModel }] } },
      defaultArm: 'holysheep',
      pinnedUsers: Object.fromEntries(names.map((name) => [name, 'staff'])),
    },
  });
});
afterAll(() => setting.stop());

async function providerFor(body: object, headers: Record<string, string> = {}): Promise<string> {
  const response = await setting.call('/v1/chat/completions', { ...hello, ...body }, headers);
  return ((await response.json()) as Completion).bellwether.provider;
}

test.each(names)('the pin of "%s" holds however a request names the user', async (name) => {
  for (const spelled of [name, otherSpelling(name)]) {
    expect(await providerFor({ user: spelled })).toBe('staff-primary');
    expect(await providerFor({ metadata: { user_id: spelled } })).toBe('staff-primary');
    const reply = await setting.service.client.send({
      sessionId: unique('session'),
      userId: spelled,
      content: 'Where is my order?',
    });
    expect(reply.provider).toBe('staff-primary');
    const messages = [{ role: 'user' as const, content: 'Where is my order?' }];
    expect((await setting.service.client.complete({ userId: spelled, messages })).provider).toBe('staff-primary');
  }
  expect(await providerFor({ user: `${name}!` })).toBe('holysheep-primary');
});

test.each(names)('the pin of "%s" holds when a header names the user, in UTF-8', async (name) => {
  const body = JSON.stringify(hello);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer ${setting.key}\r\ncontent-type: application/json\r\n`;
  const request = `${head}x-openwebui-user-id: ${name}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const answered = await exchange(setting.gateway.url, (socket) => socket.write(request, 'utf8'));
  const [answer] = answersIn(answered);
  expect(JSON.parse(answer?.body ?? '{}')).toMatchObject({ bellwether: { provider: 'staff-primary' } });
});

test('a user without a name is refused by the client, and nothing is started', async () => {
  const call = setting.service.client.send({ sessionId: unique('session'), userId: ' ', content: 'Hello' });
  await expect(call).rejects.toThrow('userId may hold visible ASCII');
});
