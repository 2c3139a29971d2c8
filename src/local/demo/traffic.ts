import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ActivityDependencies } from '../../activities/dependencies';
import { TargetMemory } from '../../activities/target-health';
import { admitAndCall, recordTurn } from '../../activities/turn-steps';
import type { BellwetherClient } from '../../client';
import type { Settings } from '../../config/settings';
import type { Ledger } from '../../contract/ledger';
import { createProvider } from '../../providers/openai-compatible';
import { openTurnStreams } from '../../streams/open-streams';
import { Pace } from './pace';

const users = 1_000;
const paceIntervalMs = 250;
/** Of all that are under way at once, turns of the real client through Temporal; the development server carries no more of them at this pace. */
const concurrentWorkflows = 4;
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
  private readonly startedAtMs = performance.now();
  private stopped = false;
  private running: Promise<unknown> = Promise.resolve();
  private readonly pace = new Pace();

  private constructor(
    private readonly dependencies: ActivityDependencies,
    private readonly client: BellwetherClient,
  ) {}

  static start(settings: Settings, ledger: Ledger, client: BellwetherClient): Traffic {
    const providers = new Map(settings.providers.map((provider) => [provider.name, createProvider(provider)]));
    const { policy } = settings;
    // No turn of the demonstration is streamed.
    const streams = openTurnStreams(undefined);
    const targets = new TargetMemory(policy.breaker);
    const traffic = new Traffic({ ledger, providers, policy, streams, targets, owner: 'demo-traffic' }, client);
    traffic.running = traffic.run();
    // Whoever stops it hears of it; until then it must not end the process.
    traffic.running.catch(() => undefined);
    return traffic;
  }

  get turnsPerSecond(): number {
    return (this.turns * 1000) / (performance.now() - this.startedAtMs);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    try {
      await this.running;
    } finally {
      await Promise.all([...this.dependencies.providers.values()].map((provider) => provider.close()));
    }
  }

  private run(): Promise<unknown> {
    const adjusting = setInterval(() => this.pace.adjust(), paceIntervalMs);
    return Promise.all(
      Array.from({ length: this.pace.maximum }, async (_, index) => {
        while (!this.stopped) {
          if (index >= this.pace.concurrentTurns) await delay(paceIntervalMs);
          else await this.next(index);
        }
      }),
    ).finally(() => clearInterval(adjusting));
  }

  private async next(index: number): Promise<void> {
    if (index < concurrentWorkflows) await this.turnThroughTemporal();
    else await this.turn();
    this.turns += 1;
  }

  private async turnThroughTemporal(): Promise<void> {
    const { userId, content } = question();
    await this.client.complete({ userId, maxTokens, messages: [{ role: 'user', content }] });
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
    const { model, settlement } = outcome;
    const targets = this.dependencies.policy.arms[call.arm]?.targets;
    const usualMs = targets?.find(({ name }) => name === target)?.usualLatencyMs;
    if (usualMs !== undefined) this.pace.answered(settlement.latencyMs / usualMs);
    await recordTurn(this.dependencies, { turnId, answer: { target, model, settlement }, error: null });
  }
}

function question(): { readonly userId: string; readonly content: string } {
  const user = Math.floor(Math.random() * users);
  return {
    userId: `user_${String(user).padStart(4, '0')}`,
    content: questions[user % questions.length] ?? '',
  };
}
