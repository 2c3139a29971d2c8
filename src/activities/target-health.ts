import {
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  handleWhenResult,
} from 'cockatiel';
import type { Delivery } from '../contract/chat';
import type { BreakerPolicy, Policy, Target } from '../contract/policy';
import type { CompletionResult } from '../contract/provider';
import { canonicalJson } from '../domain/canonical-json';
import { quantile } from '../domain/quantile';
import type { HealthSignal } from '../domain/turn/outcome-meanings';
import { MemberRests } from './member-rests';
import { RetryBudgets } from './retry-budget';

/** What this worker has learned about its targets. */
export class TargetHealth {
  readonly breakers: TargetBreakers;
  readonly rests = new MemberRests();
  readonly retries: RetryBudgets;
  private readonly refusingPrefill = new Set<string>();

  constructor({ breaker, retry }: Pick<Policy, 'breaker' | 'retry'>) {
    this.breakers = new TargetBreakers(breaker);
    this.retries = new RetryBudgets(retry);
  }

  /** For calls from now on. What is known of the targets stays. */
  configure({ breaker, retry }: Pick<Policy, 'breaker' | 'retry'>): void {
    this.breakers.configure(breaker);
    this.retries.configure(retry);
  }

  /**
   * Whether a target of `chain` may be called now. Members of a pool rest after one failure because others go on. If nothing
   * else of the chain can be called, only their circuits decide, or a failure of each would end all turns.
   */
  mayCall(target: Target, chain: readonly Target[]): boolean {
    if (!this.breakers.mayCall(target, chain)) return false;
    return !this.rests.isResting(target) || (this.isLastHope(chain) && !this.rests.mustRest(target));
  }

  /** The same after a while, for a target that has just failed: members of a pool leave the turn to another, if there is one. */
  mayRetry(target: Target, chain: readonly Target[]): boolean {
    return this.breakers.mayCall(target, chain) && (!this.rests.isResting(target) || this.isLastHope(chain));
  }

  /** Makes the call, or returns null if the target may not be called. */
  async call(target: Target, chain: readonly Target[], call: Call): Promise<CompletionResult | null> {
    if (!this.mayCall(target, chain)) return null;
    const memberCall = this.rests.begin(target);
    let signal: HealthSignal = 'nothing';
    let result: CompletionResult | null = null;
    try {
      result = await this.breakers.call(target, chain, async (onAnswering) => {
        const end = await call(() => {
          memberCall.works();
          onAnswering();
        });
        signal = end.signal;
        return end;
      });
      return result;
    } finally {
      memberCall.end(signal, result);
    }
  }

  /** Nothing of the chain can be called. */
  private isLastHope(chain: readonly Target[]): boolean {
    return chain.every((other) => this.breakers.isOpen(other) || this.rests.isResting(other));
  }

  /** Whether the target has rejected a call with a partial answer but accepted the same call without it. */
  refusesPrefill({ provider, model }: ProviderModel): boolean {
    return this.refusingPrefill.has(`${provider} ${model}`);
  }

  prefillRefused({ provider, model }: ProviderModel): void {
    this.refusingPrefill.add(`${provider} ${model}`);
  }
}

/** A model at a provider: the unit that fails and recovers, whichever arms it belongs to. */
interface ProviderModel {
  readonly provider: string;
  readonly model: string;
}

export interface BreakerState extends ProviderModel {
  /** `half-open`: a trial call is in flight, or the next call will be one. */
  readonly state: 'closed' | 'open' | 'half-open';
}

/** What this worker knows of a target. */
export interface SeenTarget extends BreakerState {
  /** Null: no call has shown that it works. */
  readonly lastSuccessAtMs: number | null;
}

/** A call's result and what it says about the target's health. */
export interface CallEnd {
  readonly result: CompletionResult;
  readonly signal: HealthSignal;
}

/** Makes a call. It must call `onAnswering` when the target starts to answer, which is enough to know that it has recovered. */
type Call = (onAnswering: () => void) => Promise<CallEnd>;

interface Circuit {
  readonly target: ProviderModel;
  readonly breaker: CircuitBreakerPolicy;
  openedAtMs: number;
  /** When the circuit last opened or a trial call was last made, whichever is later. */
  triedAtMs: number;
  /** Whether a trial call is in flight. */
  isTried: boolean;
}

/**
 * While all circuits of a chain are open, every turn gets a degraded reply, so trial calls are made more often: users get
 * answers again within about a second of a recovery, and a provider in trouble gets only one call a second.
 */
const tryAllEveryMs = 1_000;

/**
 * One circuit breaker per target, local to this worker. While a circuit is open, its target is not called. Then one trial
 * call is let through, and for all other calls the circuit counts as open until the target starts to answer it.
 */
export class TargetBreakers {
  private readonly circuits = new Map<string, Circuit>();
  private readonly successes = new Map<string, ProviderModel & { readonly atMs: number }>();

  constructor(private policy: BreakerPolicy) {}

  /** Circuits that are closed take the new limits when they are used next; others when they have closed. */
  configure(policy: BreakerPolicy): void {
    if (canonicalJson(policy) === canonicalJson(this.policy)) return;
    this.policy = policy;
    for (const [key, { breaker }] of this.circuits) {
      if (breaker.state === CircuitState.Closed) this.circuits.delete(key);
    }
  }

  /** Also true while a trial call is in flight. */
  isOpen(target: ProviderModel): boolean {
    const circuit = this.circuitOf(target);
    return circuit.breaker.state === CircuitState.HalfOpen || this.stateOf(circuit) === 'open';
  }

  /**
   * Whether a target of `chain` may be called now: its circuit is closed, or a trial call is due. Each target gets one
   * trial call at a time; other turns do not call it in the meantime.
   */
  mayCall(target: ProviderModel, chain: readonly ProviderModel[]): boolean {
    if (!this.isOpen(target)) return true;
    const { isTried, triedAtMs } = this.circuitOf(target);
    const isDue = !isTried && elapsedMs(triedAtMs) >= Math.min(tryAllEveryMs, this.policy.halfOpenAfterMs);
    return isDue && chain.every((other) => this.isOpen(other));
  }

  /** Makes the call, or returns null if the target may not be called. */
  async call(target: ProviderModel, chain: readonly ProviderModel[], call: Call): Promise<CompletionResult | null> {
    if (!this.mayCall(target, chain)) return null;
    const makeCall: Call = async (onAnswering) => {
      const end = await call(onAnswering);
      const { provider, model } = target;
      if (end.signal === 'works') this.successes.set(keyOf(target), { provider, model, atMs: Date.now() });
      return end;
    };
    const circuit = this.circuitOf(target);
    if (circuit.breaker.state === CircuitState.Closed) return this.callThroughBreaker(circuit, makeCall);

    circuit.isTried = true;
    circuit.triedAtMs = Date.now();
    const trial = this.isOpen(target)
      ? this.callDespiteOpenCircuit(circuit, makeCall)
      : this.makeTrialCall(circuit, makeCall);
    return trial.finally(() => (circuit.isTried = false));
  }

  /** The states of all targets called so far. */
  states(): readonly BreakerState[] {
    return [...this.circuits.values()].map((circuit) => ({ ...circuit.target, state: this.stateOf(circuit) }));
  }

  /** The same with their last successes; a target whose circuit has been forgotten since is closed. */
  seen(): readonly SeenTarget[] {
    const states = new Map(this.states().map((state) => [keyOf(state), state]));
    const keys = new Set([...states.keys(), ...this.successes.keys()]);
    return [...keys].flatMap((key) => {
      const success = this.successes.get(key);
      const target = states.get(key) ?? success;
      if (target === undefined) return [];
      const { provider, model } = target;
      const state = states.get(key)?.state ?? 'closed';
      return [{ provider, model, state, lastSuccessAtMs: success?.atMs ?? null }];
    });
  }

  private async callThroughBreaker({ breaker }: Circuit, call: Call): Promise<CompletionResult> {
    let end: CallEnd | undefined;
    const counted = breaker.execute(async () => {
      end = await call(() => undefined);
      // An unhandled error makes the breaker ignore the call.
      if (end.signal === 'nothing') throw new InconclusiveCall();
      return end.signal;
    });
    await counted.catch((error: unknown) => {
      if (!(error instanceof InconclusiveCall)) throw error;
    });
    return resultOf(end);
  }

  /** An inconclusive trial call counts as a failure: it has not shown that the target works. */
  private async makeTrialCall({ breaker }: Circuit, call: Call): Promise<CompletionResult> {
    let ending: Promise<CallEnd> | undefined;
    await breaker.execute(
      () =>
        new Promise<HealthSignal>((resolve, reject) => {
          ending = call(() => resolve('works'));
          ending.then(({ signal }) => resolve(signal === 'works' ? 'works' : 'fails'), reject);
        }),
    );
    return resultOf(await ending);
  }

  private async callDespiteOpenCircuit({ target }: Circuit, call: Call): Promise<CompletionResult> {
    const close = () => void this.circuits.delete(keyOf(target));
    const { result, signal } = await call(close);
    if (signal === 'works') close();
    return result;
  }

  private stateOf({ breaker, openedAtMs }: Circuit): BreakerState['state'] {
    if (breaker.state === CircuitState.Closed) return 'closed';
    if (breaker.state === CircuitState.HalfOpen) return 'half-open';
    return elapsedMs(openedAtMs) < this.policy.halfOpenAfterMs ? 'open' : 'half-open';
  }

  private circuitOf(target: ProviderModel): Circuit {
    const key = keyOf(target);
    const known = this.circuits.get(key);
    if (known) return known;

    const breaker = circuitBreaker(
      handleWhenResult((signal) => signal === 'fails'),
      { halfOpenAfter: this.policy.halfOpenAfterMs, breaker: new ConsecutiveBreaker(this.policy.failures) },
    );
    const { provider, model } = target;
    const circuit: Circuit = { target: { provider, model }, breaker, openedAtMs: 0, triedAtMs: 0, isTried: false };
    breaker.onBreak(() => {
      circuit.openedAtMs = Date.now();
      circuit.triedAtMs = circuit.openedAtMs;
    });
    this.circuits.set(key, circuit);
    return circuit;
  }
}

/** Absolute, so that a clock that is set back does not keep a circuit open. */
function elapsedMs(sinceMs: number): number {
  return Math.abs(Date.now() - sinceMs);
}

class InconclusiveCall extends Error {}

function resultOf(end: CallEnd | undefined): CompletionResult {
  if (end === undefined) throw new Error('The circuit breaker finished a call without making it.');
  return end.result;
}

function keyOf({ provider, model }: ProviderModel): string {
  return `${provider} ${model}`;
}

/** How many latencies are kept per target, and how many are needed to override the configured latency. */
const sampleWindow = 64;
const minSamples = 20;

/** The recent latencies of each target, as measured by this worker; streamed calls are counted separately. */
export class RecentLatency {
  private readonly latencies = new Map<string, number[]>();

  add(target: string, delivery: Delivery, latencyMs: number): void {
    const key = latencyKey(target, delivery);
    const known = this.latencies.get(key) ?? [];
    known.push(latencyMs);
    if (known.length > sampleWindow) known.shift();
    this.latencies.set(key, known);
  }

  /** Milliseconds; undefined while there are too few calls. */
  p95(target: string, delivery: Delivery): number | undefined {
    const known = this.latencies.get(latencyKey(target, delivery));
    if (!known || known.length < minSamples) return undefined;
    return quantile(known, 95);
  }
}

/** `collected` and `streamed` make the same provider call. */
function latencyKey(target: string, delivery: Delivery): string {
  return `${delivery === 'whole' ? 'whole' : 'stream'} ${target}`;
}
