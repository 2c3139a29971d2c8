import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import pc from 'picocolors';
import { type BellwetherClient, connect, type SendOptions } from '../client';
import { connectPatienceMs } from '../operator/connections';
import { sendOrBlocked, talk } from './talk';
import { footer } from '../terminal/format';
import { writeJson } from '../terminal/output';
import { printable } from '../terminal/printable';

interface ChatFlags {
  readonly session?: string;
  readonly user?: string;
  readonly system?: string;
  readonly turn?: string;
  readonly json?: boolean;
}

const exitCodes = { answered: 0, failed: 1, degraded: 3, blocked: 4 } as const;

export function chatCommand(): Command {
  return new Command('chat')
    .description('send one message, or start a conversation if none is given')
    .argument('[message]', 'the message; without it, starts a conversation, or sends standard input if that is piped')
    .option('-s, --session <id>', 'session to use (default: a new one)')
    .option('-u, --user <id>', 'end user of the turn')
    .option('--system <prompt>', 'system prompt for a new session')
    .option('--turn <id>', 'turn id; the same id returns the same answer')
    .option('--json', 'print the reply as JSON')
    .addHelpText(
      'after',
      '\nExit status: 0 answered, 1 failed, 2 wrong usage, 3 degraded reply, 4 refused by a budget.',
    )
    .action(async (message: string | undefined, flags: ChatFlags) => {
      const client = await connect({ connectTimeoutMs: await connectPatienceMs() });
      try {
        const sessionId = flags.session ?? `terminal-${randomUUID().slice(0, 8)}`;
        const options = { sessionId, userId: flags.user, systemPrompt: flags.system, turnId: flags.turn };
        const text = message ?? (process.stdin.isTTY ? undefined : await readAll(process.stdin));
        if (text === undefined) await talk(client, options, process);
        else process.exitCode = await sendOnce(client, { ...options, content: text.trimEnd() }, flags.json ?? false);
      } finally {
        await client.disconnect();
      }
    });
}

async function sendOnce(client: BellwetherClient, options: SendOptions, json: boolean): Promise<number> {
  const reply = await sendOrBlocked(client, options);
  if (json) writeJson(reply);
  else {
    process.stdout.write(`${printable(reply.content)}\n`);
    process.stderr.write(`${pc.dim(footer(reply))}\n`);
  }
  if (reply.blocked) return exitCodes.blocked;
  return reply.success ? exitCodes.answered : exitCodes.degraded;
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
