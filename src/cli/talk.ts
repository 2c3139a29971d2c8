import { createInterface } from 'node:readline/promises';
import pc from 'picocolors';
import {
  type BellwetherClient,
  BellwetherError,
  BudgetRefusedError,
  type ChatReply,
  type FeedbackSignal,
  InvalidInputError,
  type SendOptions,
} from '../client';
import { footer } from '../terminal/format';
import { printable } from '../terminal/printable';
import { UsageError } from './exit-status';
import { usageError } from './options';

interface Terminal {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
}

/** Until the end of input or /quit. An error with one message does not end the conversation. */
export async function talk(
  client: BellwetherClient,
  options: Omit<SendOptions, 'content'>,
  { stdin, stdout }: Terminal,
): Promise<void> {
  const terminal = createInterface({ input: stdin, output: stdout, prompt: pc.bold('you › ') });
  const help = 'Rate the last answer with /up or /down; type /quit or press Ctrl-D to end.';
  stdout.write(`${pc.dim(`Session ${options.sessionId}. ${help}`)}\n`);
  terminal.prompt();
  let last: ChatReply | null = null;
  for await (const line of terminal) {
    const content = line.trim();
    if (content === '/quit') break;
    if (content !== '') {
      try {
        const signal = signalOf(content);
        if (signal === null) {
          last = await sendOrBlocked(client, { ...options, turnId: undefined, content });
          stdout.write(`${pc.cyan('bot ›')} ${printable(last.content)}\n${pc.dim(`      ${footer(last)}`)}\n`);
        } else stdout.write(`${pc.dim(await rate(client, options.sessionId, last, signal))}\n`);
      } catch (error) {
        if (!(error instanceof BellwetherError || error instanceof UsageError)) throw error;
        stdout.write(`${pc.red(printable(error.message))}\n`);
      }
    }
    terminal.prompt();
  }
  terminal.close();
}

function signalOf(content: string): FeedbackSignal | null {
  return content === '/up' ? 'up' : content === '/down' ? 'down' : null;
}

/** What to say about it. */
async function rate(
  client: BellwetherClient,
  sessionId: string,
  last: ChatReply | null,
  signal: FeedbackSignal,
): Promise<string> {
  if (last === null || last.blocked) return 'There is no answer to rate yet.';
  await client.feedback(last.turn_id, signal, { sessionId });
  return `Rated: ${signal}.`;
}

const optionOfField = new Map([
  ['content', 'the message'],
  ['sessionId', '--session'],
  ['userId', '--user'],
  ['systemPrompt', '--system'],
  ['turnId', '--turn'],
]);

export async function sendOrBlocked(client: BellwetherClient, options: SendOptions): Promise<ChatReply> {
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
