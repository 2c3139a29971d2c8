import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { BreakerState } from '../activities/target-health';
import type { CallEnding, CostChange, LedgerObserver, RedisObserver, ServiceObserver } from '../contract/observers';
import type { Target } from '../contract/policy';
import { unknownLanguage } from '../contract/user-evidence';
import { allTargets, type RoutedParts } from '../domain/turn/routing';
import { knownLanguages } from '../domain/turn/language-of';

/** From a cached answer to the longest stream that the default policy allows. */
const callSecondsBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120];
const storeSecondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

const circuitValues: Readonly<Record<BreakerState['state'], number>> = { closed: 0, 'half-open': 1, open: 2 };

/**
 * What a worker or gateway counts of its work. Labels are names from the configuration, or of lists in this program: none
 * comes from a caller. Everything about calls is told by the ledger, so the sums are the ledger's.
 */
export class ServiceMetrics implements ServiceObserver {
  readonly registry = new Registry();
  private readonly calls = new Counter({
    name: 'bellwether_calls_total',
    help: 'Model calls that ended, by arm, target and kind: answered, how it failed, or unknown.',
    labelNames: ['arm', 'target', 'kind'] as const,
    registers: [this.registry],
  });
  private readonly callSeconds = new Histogram({
    name: 'bellwether_call_seconds',
    help: 'Model calls that were answered or timed out: from the request to the last byte.',
    labelNames: ['arm', 'target'] as const,
    buckets: callSecondsBuckets,
    registers: [this.registry],
  });
  private readonly firstTokenSeconds = new Histogram({
    name: 'bellwether_first_token_seconds',
    help: 'Streamed model calls: from the request to the first token.',
    labelNames: ['arm', 'target'] as const,
    buckets: callSecondsBuckets,
    registers: [this.registry],
  });
  private readonly cost = new NanoUsdCounter(
    'bellwether_cost_usd_total',
    'US dollars that calls cost, by certainty: confirmed by the provider; or unconfirmed, at the worst case.',
    ['arm', 'target', 'certainty'],
    this.registry,
  );
  private readonly resolvedCost = new NanoUsdCounter(
    'bellwether_unconfirmed_resolved_usd_total',
    'US dollars counted as unconfirmed whose call has since turned out to cost something else, or nothing.',
    ['arm', 'target'],
    this.registry,
  );
  private readonly flags = new Counter({
    name: 'bellwether_quality_flags_total',
    help: "Flags of answers, by arm, flag and language of the user's message.",
    labelNames: ['arm', 'flag', 'language'] as const,
    registers: [this.registry],
  });
  private readonly feedback = new Counter({
    name: 'bellwether_feedback_total',
    help: 'What users said about turns, by arm and signal. A changed mind counts again.',
    labelNames: ['arm', 'signal'] as const,
    registers: [this.registry],
  });
  private readonly ledgerSeconds = new Histogram({
    name: 'bellwether_ledger_seconds',
    help: 'Each try of a read or a transaction of the ledger.',
    labelNames: ['kind'] as const,
    buckets: storeSecondsBuckets,
    registers: [this.registry],
  });
  private readonly ledgerErrors = new Counter({
    name: 'bellwether_ledger_errors_total',
    help: "Tries that failed because of the ledger's database; most are repeated.",
    labelNames: ['kind'] as const,
    registers: [this.registry],
  });
  private readonly ledgerUp = new Gauge({
    name: 'bellwether_ledger_up',
    help: "Whether the ledger's database did its work at the last try of this kind: it may be read-only, or its disk full.",
    labelNames: ['kind'] as const,
    registers: [this.registry],
  });
  private readonly redisSeconds = new Histogram({
    name: 'bellwether_redis_seconds',
    help: 'Commands to Redis, but for those that wait for new entries.',
    buckets: storeSecondsBuckets,
    registers: [this.registry],
  });
  private readonly redisErrors = new Counter({
    name: 'bellwether_redis_errors_total',
    help: 'Commands to Redis that failed, or were not sent because it is away.',
    registers: [this.registry],
  });
  private readonly redisUp = new Gauge({
    name: 'bellwether_redis_up',
    help: 'Whether all connections to Redis work; absent while none is in use.',
    registers: [this.registry],
  });
  private readonly lostRedisConnections = new Set<object>();

  /** `temporalSdk` reads what Temporal's SDK counts in this process. */
  constructor(private readonly temporalSdk?: () => Promise<string>) {
    collectDefaultMetrics({ register: this.registry });
    // Nothing is known yet.
    this.redisUp.remove();
  }

  readonly ledger: LedgerObserver = {
    tried: (kind, seconds, isAvailable) => {
      this.ledgerSeconds.observe({ kind }, seconds);
      this.ledgerUp.set({ kind }, isAvailable ? 1 : 0);
      if (!isAvailable) this.ledgerErrors.inc({ kind });
    },
    callEnded: (ending) => this.callEnded(ending),
    costChanged: (change) => this.costChanged(change),
    answerFlagged: ({ arm, flag, language }) => {
      this.flags.inc({ arm, flag, language: languageLabel(language) });
    },
    feedbackGiven: ({ arm, signal }) => this.feedback.inc({ arm, signal }),
  };

  readonly redis: RedisObserver = {
    answered: (seconds, isOk) => {
      this.redisSeconds.observe(seconds);
      if (!isOk) this.redisErrors.inc();
    },
    changed: (connection, isUp) => {
      if (isUp) this.lostRedisConnections.delete(connection);
      else this.lostRedisConnections.add(connection);
      this.redisUp.set(this.lostRedisConnections.size === 0 ? 1 : 0);
    },
  };

  /** In Prometheus's text format. */
  async text(): Promise<string> {
    const [own, temporal = ''] = await Promise.all([this.registry.metrics(), this.temporalSdk?.()]);
    return own + temporal;
  }

  /** Exports what a worker knows of each configured target, under the target's name. */
  watchCircuits(policyNow: () => RoutedParts, states: () => readonly BreakerState[]): void {
    const gauge: Gauge<'target'> = new Gauge({
      name: 'bellwether_circuit_state',
      help: "The target's circuit breaker in this worker: 0 closed, 1 half open, 2 open.",
      labelNames: ['target'] as const,
      registers: [this.registry],
      collect: () => {
        gauge.reset();
        const known = states();
        const values = new Map<string, number>();
        for (const { name: target, provider, model } of allTargets(policyNow())) {
          const found = known.find((one) => one.provider === provider && one.model === model);
          const value = circuitValues[found?.state ?? 'closed'];
          // A pool works while one of its members does.
          values.set(target, Math.min(value, values.get(target) ?? value));
        }
        for (const [target, value] of values) gauge.set({ target }, value);
      },
    });
  }

  /** Exports which members of pools a worker leaves alone. */
  watchMembers(policyNow: () => RoutedParts, isResting: (target: Target) => boolean): void {
    const gauge: Gauge<'target' | 'provider' | 'model'> = new Gauge({
      name: 'bellwether_pool_member_resting',
      help: 'Whether this worker leaves a member of a pool alone after a failure.',
      labelNames: ['target', 'provider', 'model'] as const,
      registers: [this.registry],
      collect: () => {
        gauge.reset();
        for (const member of allTargets(policyNow())) {
          const { name: target, provider, model, pool } = member;
          if (pool !== undefined) gauge.set({ target, provider, model }, isResting(member) ? 1 : 0);
        }
      },
    });
  }

  /** Exports which configuration this process has. */
  watchConfiguration(configuration: { readonly version: string; readonly refusal: string | null }): void {
    const info: Gauge<'version'> = new Gauge({
      name: 'bellwether_config_info',
      help: 'Always 1; the label is the version of the configuration in use.',
      labelNames: ['version'] as const,
      registers: [this.registry],
      collect: () => {
        info.reset();
        info.set({ version: configuration.version }, 1);
      },
    });
    const success: Gauge = new Gauge({
      name: 'bellwether_config_last_reload_success',
      help: 'Whether the configuration in the files is the one in use; 0: it was refused, and the log says why.',
      registers: [this.registry],
      collect: () => success.set(configuration.refusal === null ? 1 : 0),
    });
  }

  private callEnded({ arm, target, outcome, latencyMs, firstTokenMs }: CallEnding): void {
    this.calls.inc({ arm, target, kind: outcome ?? 'unknown' });
    if (outcome === 'answered' || outcome === 'timeout') this.callSeconds.observe({ arm, target }, latencyMs / 1000);
    if (firstTokenMs !== null) this.firstTokenSeconds.observe({ arm, target }, firstTokenMs / 1000);
  }

  private costChanged({ arm, target, confirmedNanoUsd, unconfirmedNanoUsd }: CostChange): void {
    this.cost.add({ arm, target, certainty: 'confirmed' }, confirmedNanoUsd);
    this.cost.add({ arm, target, certainty: 'unconfirmed' }, Math.max(0, unconfirmedNanoUsd));
    this.resolvedCost.add({ arm, target }, Math.max(0, -unconfirmedNanoUsd));
  }
}

/** Of a label that `languageOf` gives; an operator may have configured others. */
export function languageLabel(language: string | null): string {
  if (language === null) return unknownLanguage;
  return knownLanguages.has(language) ? language : 'other';
}

/** Adds up whole nano-dollars and divides only when it is read: sums of fractions of a dollar would drift from the ledger's. */
class NanoUsdCounter<Label extends string> {
  private readonly sums = new Map<string, { readonly labels: Record<Label, string>; nanoUsd: number }>();

  constructor(name: string, help: string, labelNames: readonly Label[], registry: Registry) {
    const counter: Counter<Label> = new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [registry],
      collect: () => {
        counter.reset();
        for (const { labels, nanoUsd } of this.sums.values()) counter.inc(labels, nanoUsd / 1e9);
      },
    });
  }

  add(labels: Record<Label, string>, nanoUsd: number): void {
    const key = JSON.stringify(labels);
    const sum = this.sums.get(key) ?? { labels, nanoUsd: 0 };
    sum.nanoUsd += nanoUsd;
    this.sums.set(key, sum);
  }
}
