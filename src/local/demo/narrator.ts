import pc from 'picocolors';
import { type BellwetherClient, BudgetRefusedError, type ChatReply, type SendOptions } from '../../client';
import { footer } from '../../terminal/format';
import { shellQuoted } from '../../config/environment';
import type { Reporter } from '../../terminal/reporter';

/** Longer messages of the story are cut where they are printed. */
const maxShownCharacters = 80;

/** Tells the story on standard output: scenes, messages, answers and what they took. */
export class Narrator {
  private scenes = 0;

  constructor(
    private readonly client: BellwetherClient,
    private readonly report: Reporter,
  ) {}

  scene(title: string, ...explanation: readonly string[]): void {
    this.scenes += 1;
    this.say('', pc.bold(`${this.scenes}. ${title}`), ...explanation.map((line) => pc.dim(`   ${line}`)));
  }

  /** A command of the operator's, before it runs. */
  command(words: readonly string[]): void {
    this.say('', `   ${pc.green('$')} bellwether rollout ${words.map(shellQuoted).join(' ')}`);
  }

  say(...lines: readonly string[]): void {
    process.stdout.write(`${lines.join('\n')}\n`);
  }

  /** Sends a message as a backend service would and prints question, answer and costs. */
  async send(options: SendOptions, whileWaiting = 'waiting for the answer'): Promise<ChatReply> {
    this.say(`   ${pc.green('user ›')} ${shortened(options.content)}`);
    const task = this.report.begin(`   ${whileWaiting}`);
    const startedAtMs = Date.now();
    try {
      const reply = await this.client.send(options).catch(blockedReplyOf);
      task.succeed(pc.dim(`answer after ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s`));
      this.say(`   ${pc.cyan('bot  ›')} ${reply.content}`, pc.dim(`          ${footer(reply)}`));
      return reply;
    } catch (error) {
      task.fail('no answer');
      throw error;
    }
  }
}

function shortened(content: string): string {
  return content.length > maxShownCharacters
    ? `${content.slice(0, maxShownCharacters)}… (${content.length} characters)`
    : content;
}

function blockedReplyOf(error: unknown): ChatReply {
  if (error instanceof BudgetRefusedError) return error.reply;
  throw error;
}
