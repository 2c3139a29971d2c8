import { createInterface } from 'node:readline/promises';
import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import pc from 'picocolors';
import {
  type BellwetherClient,
  BellwetherError,
  BudgetRefusedError,
  type ChatReply,
  connect,
  InvalidInputError,
  type SendOptions,
} from '../client';
import { connectPatienceMs } from '../operator/connections';
import { UsageError } from './exit-status';
import { usageError } from './options';
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
        if (text === undefined) await talk(client, options);
        else process.exitCode = await sendOnce(client, { ...options, content: text.trimEnd() }, flags.json ?? false);
      } finally {
        await client.disconnect();
      }
    });
}

const optionOfField = new Map([
  ['content', 'the message'],
  ['sessionId', '--session'],
  ['userId', '--user'],
  ['systemPrompt', '--system'],
  ['turnId', '--turn'],
]);

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

/** Until the end of input or /quit. An error with one message does not end the conversation. */
async function talk(client: BellwetherClient, options: Omit<SendOptions, 'content'>): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: pc.bold('you › ') });
  process.stdout.write(`${pc.dim(`Session ${options.sessionId}. Type /quit or press Ctrl-D to end.`)}\n`);
  terminal.prompt();
  for await (const line of terminal) {
    const content = line.trim();
    if (content === '/quit') break;
    if (content !== '') {
      try {
        const reply = await sendOrBlocked(client, { ...options, turnId: undefined, content });
        process.stdout.write(`${pc.cyan('bot ›')} ${printable(reply.content)}\n${pc.dim(`      ${footer(reply)}`)}\n`);
      } catch (error) {
        if (!(error instanceof BellwetherError || error instanceof UsageError)) throw error;
        process.stdout.write(`${pc.red(printable(error.message))}\n`);
      }
    }
    terminal.prompt();
  }
  terminal.close();
}

async function sendOrBlocked(client: BellwetherClient, options: SendOptions): Promise<ChatReply> {
  try {
    return await client.send(options);
  } catch (error) {
    if (error instanceof BudgetRefusedError) return error.reply;
    if (error instanceof InvalidInputError) {
      throw usageError(error, optionOfField);
    }
    throw error;
  }
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
