import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ActivityDependencies } from '../../activities/dependencies';
import { TargetHealth } from '../../activities/target-health';
import { admitAndCall, recordTurn } from '../../activities/turn-steps';
import type { BellwetherClient } from '../../client';
import type { Settings } from '../../config/settings';
import type { Ledger } from '../../contract/ledger';
import { createProvider } from '../../providers/create-provider';
import { openTurnStreams } from '../../streams/open-streams';
import { Pace } from './pace';
import { longestStandstillMs } from './patience';

/** Each of them counts once, so most of their turns are a first one. */
const users = 50_000;
const paceIntervalMs = 250;
const maxTokens = 60;

const questions = [
  'Where is my order?',
  'How do I return an opened item?',
  'Do you ship to Vietnam?',
  '我的订单在哪里？',
  '可以改送货地址吗？',
];

/**
 * The demonstration's users. Most turns bypass Temporal, which handles about fifty per second on one machine:
 * they use the same admission, provider adapter and ledger, with one call each.
 */
export class Traffic {
  turns = 0;
  private stopped = false;
  private running: Promise<void> = Promise.resolve();
  private readonly pace = new Pace();

  private constructor(
    private readonly dependencies: ActivityDependencies,
    private readonly client: BellwetherClient,
  ) {}

  /**
   * Disconnects the client when it stops. `onError` receives the error of a turn that could not run, which stops the
   * traffic.
   */
  static start(
    settings: Settings,
    ledger: Ledger,
    client: BellwetherClient,
    onError: (error: unknown) => void,
  ): Traffic {
    const providers = new Map(settings.providers.map((provider) => [provider.name, createProvider(provider)]));
    const { policy } = settings;
    // No turn of the demonstration is streamed.
    const streams = openTurnStreams(undefined);
    const targets = new TargetHealth(policy);
    const traffic = new Traffic({ ledger, providers, policy, streams, targets, owner: 'demo-traffic' }, client);
    traffic.running = traffic.run(onError);
    return traffic;
  }

  /** Workflows with turns in progress continue in the background. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.client.disconnect();
    await this.running;
    await Promise.all([...this.dependencies.providers.values()].map((provider) => provider.close()));
  }

  private async run(onError: (error: unknown) => void): Promise<void> {
    const adjusting = setInterval(() => this.pace.adjust(), paceIntervalMs);
    const chat = async (index: number): Promise<void> => {
      while (!this.stopped) {
        if (index >= this.pace.concurrentTurns) await delay(paceIntervalMs);
        else await this.next(index);
      }
    };
    await Promise.all(
      Array.from({ length: this.pace.maximum }, (_, index) =>
        chat(index).catch((error: unknown) => {
          // After `stop`, turns fail because the client was disconnected.
          if (!this.stopped) onError(error);
          this.stopped = true;
        }),
      ),
    );
    clearInterval(adjusting);
  }

  private async next(index: number): Promise<void> {
    if (index < this.pace.concurrentWorkflows) await this.turnThroughTemporal();
    else await this.turn();
    this.turns += 1;
  }

  private async turnThroughTemporal(): Promise<void> {
    const { userId, content } = question();
    const messages = [{ role: 'user', content }] as const;
    await this.client.complete({ userId, maxTokens, messages, deadlineMs: longestStandstillMs });
  }

  private async turn(): Promise<void> {
    const { userId, content } = question();
    const turnId = randomUUID();
    const messages = [{ role: 'user', content }] as const;
    const asked = await admitAndCall(this.dependencies, { turnId, sessionId: null, userId, messages, maxTokens });
    if (asked.kind === 'refused') throw new Error(`The demonstration's budget is used up: ${asked.scope}`);
    const { call, outcome } = asked;
    const target = call.target.name;
    if (outcome.kind === 'failed') {
      await recordTurn(this.dependencies, { turnId, answer: null, error: outcome.failure.message });
      return;
    }
    const { model, settlement, flags } = outcome;
    const targets = this.dependencies.policy.arms[call.arm]?.targets;
    const usualMs = targets?.find(({ name }) => name === target)?.usualLatencyMs;
    if (usualMs !== undefined) this.pace.answered(settlement.latencyMs / usualMs);
    await recordTurn(this.dependencies, { turnId, answer: { target, model, settlement, flags }, error: null });
  }
}

function question(): { readonly userId: string; readonly content: string } {
  const user = Math.floor(Math.random() * users);
  return {
    userId: `user_${String(user).padStart(5, '0')}`,
    content: questions[user % questions.length] ?? '',
  };
}
