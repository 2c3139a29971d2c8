import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ActivityDependencies } from '../../activities/dependencies';
import { admitTurn } from '../../activities/admit-turn';
import { makeAttempt } from '../../activities/make-attempt';
import { RecentLatency, TargetHealth } from '../../activities/target-health';
import type { BellwetherClient } from '../../client';
import type { Settings } from '../../config/settings';
import { measurePrompt } from '../../domain/turn/cjk';
import type { Ledger } from '../../contract/ledger';
import { createProvider } from '../../providers/openai-compatible';
import { openTurnStreams } from '../../streams/open-streams';
import { Pace } from './pace';
import { longestStandstillMs } from './patience';

const users = 1_000;
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
 * The demonstration's thousand users. Most turns leave out Temporal, which on one machine carries some fifty a second:
 * they pass the same admission, the same provider adapter and the same ledger, with one call each.
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

  /** Disconnects the client when it stops. `onError` hears of the turn that could not be had at all, which stops it. */
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
    const targets = new TargetHealth(policy.breaker);
    const traffic = new Traffic({ ledger, providers, policy, streams, targets, owner: 'demo-traffic' }, client);
    traffic.running = traffic.run(onError);
    return traffic;
  }

  /** Workflows whose turns are under way go on without anybody waiting for them. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.client.disconnect();
    await this.running;
    await Promise.all([...this.dependencies.providers.values()].map((provider) => provider.close()));
  }

  private async run(onError: (error: unknown) => void): Promise<void> {
    const recentLatency = new RecentLatency();
    const adjusting = setInterval(() => this.pace.adjust(), paceIntervalMs);
    const chat = async (index: number): Promise<void> => {
      while (!this.stopped) {
        if (index >= this.pace.concurrentTurns) await delay(paceIntervalMs);
        else await this.next(index, recentLatency);
      }
    };
    await Promise.all(
      Array.from({ length: this.pace.maximum }, (_, index) =>
        chat(index).catch((error: unknown) => {
          // Those that stop no longer waits for have failed, but not by themselves.
          if (!this.stopped) onError(error);
          this.stopped = true;
        }),
      ),
    );
    clearInterval(adjusting);
  }

  private async next(index: number, recentLatency: RecentLatency): Promise<void> {
    if (index < this.pace.concurrentWorkflows) await this.turnThroughTemporal();
    else await this.turn(recentLatency);
    this.turns += 1;
  }

  private async turnThroughTemporal(): Promise<void> {
    const { userId, content } = question();
    const messages = [{ role: 'user', content }] as const;
    await this.client.complete({ userId, maxTokens, messages, deadlineMs: longestStandstillMs });
  }

  private async turn(recentLatency: RecentLatency): Promise<void> {
    const { userId, content } = question();
    const turnId = randomUUID();
    const messages = [{ role: 'user', content }] as const;
    const prompt = measurePrompt(messages);
    const admission = await admitTurn(this.dependencies, recentLatency, {
      turnId,
      sessionId: null,
      userId,
      prompt,
      maxTokens,
    });
    if (admission.kind === 'refused') throw new Error(`The demonstration's budget is used up: ${admission.scope}`);
    const { arm, ticket, deadlineAtMs } = admission;
    const [target] = admission.targets;
    if (!target) throw new Error(`Arm ${arm} has no targets.`);
    const call = { turnId, arm, target, messages, prompt, maxTokens, ticket, earlierCalls: 0, deadlineAtMs };
    const startedAtMs = performance.now();
    const outcome = await makeAttempt(this.dependencies, call, ticket, 0, undefined);
    const usualMs = this.dependencies.policy.arms[arm]?.targets.find(
      ({ name }) => name === target.name,
    )?.usualLatencyMs;
    if (usualMs !== undefined && outcome.kind === 'answered')
      this.pace.answered((performance.now() - startedAtMs) / usualMs);
    const answered = outcome.kind === 'answered' ? outcome : null;
    await this.dependencies.ledger.recordTurn({
      turnId,
      outcome: answered ? 'answered' : 'degraded',
      target: answered ? target.name : null,
      model: answered?.model ?? null,
      error: outcome.kind === 'failed' ? outcome.failure.message : null,
      settlements: answered ? [answered.settlement] : [],
      dayCapNanoUsd: this.dependencies.policy.budgets.dayNanoUsd,
      atMs: Date.now(),
    });
  }
}

function question(): { readonly userId: string; readonly content: string } {
  const user = Math.floor(Math.random() * users);
  return {
    userId: `user_${String(user).padStart(4, '0')}`,
    content: questions[user % questions.length] ?? '',
  };
}
