import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Notification } from '../../src/contract/notifications';
import { send } from '../../src/notify/send';
import { signedHeaders } from '../../src/notify/signature';
import { answers, Receiver, targetAt } from './receiver';

const held: Notification = {
  id: 'msg_1',
  event: 'held',
  rollout: 'november & co',
  title: 'Rollout november & co is held at 10% on holysheep',
  text: '3 of 300 users <@here> had trouble.',
  facts: { percent: 10, sequence: 4 },
  createdAtMs: Date.UTC(2026, 10, 30, 12),
};
const never = new AbortController().signal;

let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.start();
});
afterEach(() => receiver.kill());

const sent = (over = {}) => send(targetAt(receiver.url, over), held, never);
const received = () => {
  const [first] = receiver.received;
  if (first === undefined) throw new Error('Nothing was received.');
  return first;
};

test('JSON says what happened, to whom it matters and where to look', async () => {
  expect(await sent({ pageUrl: 'https://chat.example.com/page' })).toEqual({
    kind: 'delivered',
    status: 200,
    answer: 'ok',
  });
  expect(received().headers).toMatchObject({ 'content-type': 'application/json', 'webhook-id': 'msg_1' });
  expect(JSON.parse(received().body)).toEqual({
    version: 1,
    id: 'msg_1',
    type: 'held',
    timestamp: '2026-11-30T12:00:00.000Z',
    rollout: 'november & co',
    title: held.title,
    text: held.text,
    link: 'https://chat.example.com/page?rollout=november+%26+co',
    data: { percent: 10, sequence: 4 },
  });
});

test('a message for Slack mentions nobody, whatever a reason says', async () => {
  await sent({ format: 'slack', pageUrl: 'https://chat.example.com/page' });
  expect(JSON.parse(received().body)).toEqual({
    text: 'Rollout november &amp; co is held at 10% on holysheep. 3 of 300 users &lt;@here&gt; had trouble.',
    blocks: [
      { type: 'section', text: { type: 'plain_text', text: held.title, emoji: false } },
      { type: 'section', text: { type: 'plain_text', text: held.text, emoji: false } },
      {
        type: 'section',
        text: {
          type: 'mrkdwn',
          text: '<https://chat.example.com/page?rollout=november+%26+co|Open november &amp; co>',
        },
      },
    ],
  });
});

test('a message for Slack stays within what Slack accepts', async () => {
  await send(targetAt(receiver.url, { format: 'slack' }), { ...held, text: 'x'.repeat(10_000) }, never);
  const { blocks } = JSON.parse(received().body) as { blocks: { text: { text: string } }[] };
  expect(blocks[1]?.text.text.length).toBeLessThan(3_000);
});

describe('a signature', () => {
  const secrets = ['new', 'old'].map((name) => `whsec_${Buffer.from(name.padEnd(32, '.')).toString('base64')}`);
  const keys = secrets.map((secret) => Buffer.from(secret.slice('whsec_'.length), 'base64'));

  test('is that of the Standard Webhooks specification, one for each secret', async () => {
    const before = Math.floor(Date.now() / 1000);
    await sent({ readAddress: () => ({ url: receiver.url, secrets: keys }) });
    const { headers, body } = received();
    const timestamp = String(headers['webhook-timestamp']);
    expect(Number(timestamp)).toBeGreaterThanOrEqual(before);
    const signed = `msg_1.${timestamp}.${body}`;
    const expected = keys.map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`);
    expect(headers['webhook-signature']).toBe(expected.join(' '));
  });

  test('of the specification’s own example is as its reference libraries have it', () => {
    const key = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
    const headers = signedHeaders('msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330_000, '{"test": 2432232314}', [key]);
    expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  test('is accepted by the example in the documentation, which refuses forged and old ones', async () => {
    const documentation = readFileSync(join(__dirname, '../../docs/operations.md'), 'utf8');
    const [, example] = /```js\n(.*?function isFromBellwether.*?)```/s.exec(documentation) ?? [];
    if (example === undefined) throw new Error('docs/operations.md has no example of the verification.');
    await sent({ readAddress: () => ({ url: receiver.url, secrets: keys }) });
    const { headers, body } = received();
    const isAccepted = (secret: string, given: object, text: string, nowMs = Date.now()): boolean => {
      const script = `${example}\nDate.now = () => ${nowMs};\nconsole.log(isFromBellwether(...JSON.parse(process.argv[1])));`;
      const output = execFileSync(process.execPath, ['-e', script, JSON.stringify([secret, given, text])]);
      return output.toString().trim() === 'true';
    };
    expect(secrets.map((secret) => isAccepted(secret, headers, body))).toEqual([true, true]);
    expect(isAccepted('whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVy', headers, body)).toBe(false);
    expect(isAccepted(secrets[0] ?? '', headers, `${body} `)).toBe(false);
    expect(isAccepted(secrets[0] ?? '', { ...headers, 'webhook-id': 'msg_2' }, body)).toBe(false);
    expect(isAccepted(secrets[0] ?? '', { ...headers, 'webhook-signature': 'v1,x' }, body)).toBe(false);
    expect(isAccepted(secrets[0] ?? '', headers, body, Date.now() + 6 * 60_000)).toBe(false);
  });

  test('is left out without a secret', async () => {
    await sent({ readAddress: () => ({ url: receiver.url, secrets: [] }) });
    expect(received().headers).not.toHaveProperty('webhook-signature');
  });
});

describe('a delivery has failed', () => {
  test.each([301, 302, 307, 400, 401, 404, 410, 429, 500, 503])('if the answer is %i', async (status) => {
    receiver.answer = answers.status(status);
    expect(await sent()).toMatchObject({ kind: 'failed', status, answer: 'no' });
    expect(receiver.received).toHaveLength(1);
  });

  test('if the receiver redirects, wherever to: that is not followed', async () => {
    const elsewhere = await Receiver.start();
    receiver.answer = answers.status(307, { location: elsewhere.url });
    expect(await sent()).toMatchObject({ kind: 'failed', error: 'it answered 307, a redirect, which is not followed' });
    expect(elsewhere.received).toHaveLength(0);
    await elsewhere.kill();
  });

  test('and says how long the receiver asks to wait', async () => {
    receiver.answer = answers.status(429, { 'retry-after': '7' });
    expect(await sent()).toMatchObject({ kind: 'failed', error: 'it answered 429', retryAfterMs: 7_000 });
  });

  test('if the receiver breaks the connection, or is not there', async () => {
    receiver.answer = (response) => response.destroy();
    expect(await sent()).toMatchObject({ kind: 'failed', error: 'it closed the connection' });
    await receiver.kill();
    expect(await sent()).toMatchObject({ kind: 'failed', error: 'it refuses connections' });
  });

  test('if it has no name that is known, or no TLS', async () => {
    const at = (url: string) => sent({ readAddress: () => ({ url, secrets: [] }) });
    const unknown = await at('https://no-such-host.invalid/T0/B0/secret');
    expect(unknown).toMatchObject({ kind: 'failed', error: expect.stringContaining('its host name') });
    const plain = await at(receiver.url.replace('http:', 'https:'));
    expect(plain).toMatchObject({ kind: 'failed', error: expect.stringContaining('the connection failed (') });
    for (const each of [unknown, plain]) expect(JSON.stringify(each)).not.toMatch(/secret|127\.0\.0\.1|hook/);
  });

  test('if there is no answer in time', async () => {
    receiver.answer = answers.hang;
    expect(await sent()).toMatchObject({ kind: 'failed', error: 'it did not answer within 10 s' });
  }, 30_000);

  test('if its address cannot be read, which names no file', async () => {
    const readAddress = () => {
      throw new Error('/run/secrets/slack cannot be read');
    };
    const result = await sent({ readAddress });
    expect(result).toMatchObject({ kind: 'failed', error: expect.stringContaining('bellwether doctor') });
    expect(JSON.stringify(result)).not.toContain('/run');
  });
});

test('an answer that never ends, or is huge, is cut off; its status counts', async () => {
  let written = 0;
  receiver.answer = (response) => {
    response.writeHead(200);
    const write = (): void => {
      while (written < 200 * 1024 * 1024 && !response.destroyed) {
        written += 65_536;
        if (!response.write('x'.repeat(65_536))) return void response.once('drain', write);
      }
    };
    write();
  };
  const result = await sent();
  expect(result).toMatchObject({ kind: 'delivered', status: 200 });
  expect(result.answer).toHaveLength(4_096);
  expect(written).toBeLessThan(20 * 1024 * 1024);
});
