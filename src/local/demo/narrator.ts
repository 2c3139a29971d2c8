import pc from 'picocolors';
import { BudgetRefusedError, type ChatReply, type SendOptions } from '../../client';
import { shellQuoted } from '../../config/environment';
import { writeLines } from '../../terminal/output';
import type { Reporter } from '../../terminal/reporter';
import { longestStandstillMs, withPatience } from './patience';
import type { Stage } from './stage';

/** Longer messages of the story are cut where they are printed. */
const maxShownCharacters = 80;

/** Tells the story on standard output: scenes, messages, and answers with their time and cost. */
export class Narrator {
  private scenes = 0;

  constructor(
    private readonly stage: Pick<Stage, 'client' | 'commandLine'>,
    private readonly report: Reporter,
  ) {}

  scene(title: string, ...explanation: readonly string[]): void {
    this.scenes += 1;
    this.say('', pc.bold(`${this.scenes}. ${title}`), ...explanation.map((line) => pc.dim(`   ${line}`)));
  }

  /** Prints an operator's command before it runs. */
  command(words: readonly string[]): void {
    this.say('', `   ${pc.green('$')} bellwether rollout ${words.map(shellQuoted).join(' ')}`);
  }

  say(...lines: readonly string[]): void {
    writeLines(lines);
  }

  /** Sends a message as a backend service would and prints question, answer and costs. */
  async send(options: SendOptions, whileWaiting = 'waiting for the answer'): Promise<ChatReply> {
    this.say(`   ${pc.green('user ›')} ${shortened(options.content)}`);
    const { client, commandLine } = this.stage;
    const startedAtMs = Date.now();
    const seconds = (): string => ((Date.now() - startedAtMs) / 1000).toFixed(1);
    const answer = client.send({ ...options, deadlineMs: longestStandstillMs }).catch(blockedReplyOf);
    const reply = await withPatience(this.report, `   ${whileWaiting}`, answer, () =>
      pc.dim(`answer after ${seconds()} s`),
    );
    this.say(`   ${pc.cyan('bot  ›')} ${reply.content}`, pc.dim(`          ${commandLine.footer(reply)}`));
    return reply;
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
