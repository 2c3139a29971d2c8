import net from 'node:net';
import tls from 'node:tls';
import type { Settings } from '../../config/settings';
import type { Check, CheckOutcome } from './check';

/** Redis answers within a millisecond; a second or two is a network that loses packets. */
const pingTimeoutMs = 3_000;

export function redisCheck({ redisUrl }: Settings): Check {
  return {
    name: 'Redis',
    advice: 'Is REDIS_URL right, and Redis up?',
    run() {
      if (redisUrl === undefined) return { status: 'skipped', detail: 'not in use: REDIS_URL is not set' };
      return ping(new URL(redisUrl));
    },
  };
}

async function ping(url: URL): Promise<CheckOutcome> {
  const where = `${url.hostname}:${url.port || 6379}`;
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  const commands = [...(password ? [['AUTH', ...(user ? [user] : []), password]] : []), ['PING']];
  const replies = await exchange(url, commands);
  const refusal = replies.find((reply) => reply.startsWith('-'));
  if (refusal === undefined) return { status: 'ok', detail: where };
  const advice = 'Are user and password in REDIS_URL right?';
  // The first word is Redis's name for the error; the rest might repeat what was sent.
  return { status: 'failed', detail: `${where} refuses: ${refusal.slice(1).split(' ')[0]}`, advice };
}

/** Sends commands over a connection of its own and returns the first line of each reply. */
function exchange(url: URL, commands: readonly (readonly string[])[]): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const address = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 6379) };
    const socket =
      url.protocol === 'rediss:' ? tls.connect({ ...address, servername: address.host }) : net.connect(address);
    let received = '';
    socket.setTimeout(pingTimeoutMs, () => socket.destroy(new Error(`no answer within ${pingTimeoutMs / 1000} s`)));
    socket.setEncoding('utf8');
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection was closed before an answer')));
    socket.on('data', (text: string) => {
      received += text;
      const lines = received.split('\r\n').slice(0, -1);
      if (lines.length < commands.length && !lines.some((line) => line.startsWith('-'))) return;
      resolve(lines);
      socket.destroy();
    });
    socket.write(commands.map(encode).join(''));
  });
}

function encode(command: readonly string[]): string {
  const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return `*${command.length}\r\n${parts.join('')}`;
}
