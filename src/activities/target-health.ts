import {
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  handleWhenResult,
} from 'cockatiel';
import type { Delivery } from '../contract/chat';
import type { BreakerPolicy } from '../contract/policy';
import type { CompletionResult } from '../contract/provider';
import { quantile } from '../domain/quantile';
import type { HealthSignal } from '../domain/turn/health-signals';

/** What this worker has learnt of its targets. */
export class TargetMemory {
  readonly breakers: TargetBreakers;
  private readonly refusingPrefill = new Set<string>();

  constructor(policy: BreakerPolicy) {
    this.breakers = new TargetBreakers(policy);
  }

  /** Whether a call that went on from a begun answer was refused for that, while the same call without it was not. */
  refusesPrefill({ provider, model }: Asked): boolean {
    return this.refusingPrefill.has(`${provider} ${model}`);
  }

  prefillRefused({ provider, model }: Asked): void {
    this.refusingPrefill.add(`${provider} ${model}`);
  }
}

/** A model at a provider: what fails and recovers as one, whichever arms it is part of. */
interface Asked {
  readonly provider: string;
  readonly model: string;
}

export interface BreakerState extends Asked {
  /** `half-open`: one call tries whether it works again, or the next one will. */
  readonly state: 'closed' | 'open' | 'half-open';
}

/** A call's result and what it tells of the target. */
export interface CallEnd {
  readonly result: CompletionResult;
  readonly signal: HealthSignal;
}

/** Makes a call. `onBegun` is to be called when the target begins to answer: enough to know that one that was down is back. */
type Call = (onBegun: () => void) => Promise<CallEnd>;

interface Circuit {
  readonly asked: Asked;
  readonly breaker: CircuitBreakerPolicy;
  openedAtMs: number;
}

/**
 * Leaves targets alone that fail again and again, as this worker sees it. While a circuit is open its target is not
 * asked; then one call tries it, and the others go on as if it were open until that one has heard from it.
 */
export class TargetBreakers {
  private readonly circuits = new Map<string, Circuit>();

  constructor(private readonly policy: BreakerPolicy) {}

  /** Also while one call tries whether it works again. */
  isOpen(asked: Asked): boolean {
    const circuit = this.circuitOf(asked);
    return circuit.breaker.state === CircuitState.HalfOpen || this.stateOf(circuit) === 'open';
  }

  /**
   * Whether a target of `chain` may be asked now. Where all of a chain are open they are asked as if none were: nobody else
   * could answer, so a refusal would be a failure for certain, and what keeps the provider from being hammered is the
   * same as ever: few attempts, further and further apart. The first answer ends it.
   */
  mayAsk(asked: Asked, chain: readonly Asked[]): boolean {
    return !this.isOpen(asked) || chain.every((other) => this.isOpen(other));
  }

  /** Makes the call, or returns null where the target may not be asked. */
  async ask(asked: Asked, chain: readonly Asked[], call: Call): Promise<CompletionResult | null> {
    if (!this.mayAsk(asked, chain)) return null;
    const circuit = this.circuitOf(asked);
    if (this.isOpen(asked)) return this.callDespiteOpenCircuit(circuit, call);
    return circuit.breaker.state === CircuitState.Open ? this.tryAgain(circuit, call) : this.askAsEver(circuit, call);
  }

  /** Of all targets that were asked by now. */
  states(): readonly BreakerState[] {
    return [...this.circuits.values()].map((circuit) => ({ ...circuit.asked, state: this.stateOf(circuit) }));
  }

  private async askAsEver({ breaker }: Circuit, call: Call): Promise<CompletionResult> {
    let end: CallEnd | undefined;
    const counted = breaker.execute(async () => {
      end = await call(() => undefined);
      // Thrown through the breaker, which then counts the call neither way.
      if (end.signal === 'nothing') throw new NothingTold();
      return end.signal;
    });
    await counted.catch((error: unknown) => {
      if (!(error instanceof NothingTold)) throw error;
    });
    return resultOf(end);
  }

  /** A trial that tells nothing has not shown that the target works. */
  private async tryAgain({ breaker }: Circuit, call: Call): Promise<CompletionResult> {
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

  private async callDespiteOpenCircuit({ asked }: Circuit, call: Call): Promise<CompletionResult> {
    const close = () => void this.circuits.delete(keyOf(asked));
    const { result, signal } = await call(close);
    if (signal === 'works') close();
    return result;
  }

  private stateOf({ breaker, openedAtMs }: Circuit): BreakerState['state'] {
    if (breaker.state === CircuitState.Closed) return 'closed';
    if (breaker.state === CircuitState.HalfOpen) return 'half-open';
    return Date.now() - openedAtMs < this.policy.halfOpenAfterMs ? 'open' : 'half-open';
  }

  private circuitOf(asked: Asked): Circuit {
    const key = keyOf(asked);
    const known = this.circuits.get(key);
    if (known) return known;

    const breaker = circuitBreaker(
      handleWhenResult((signal) => signal === 'fails'),
      { halfOpenAfter: this.policy.halfOpenAfterMs, breaker: new ConsecutiveBreaker(this.policy.failures) },
    );
    const { provider, model } = asked;
    const circuit: Circuit = { asked: { provider, model }, breaker, openedAtMs: 0 };
    breaker.onBreak(() => (circuit.openedAtMs = Date.now()));
    this.circuits.set(key, circuit);
    return circuit;
  }
}

class NothingTold extends Error {}

function resultOf(end: CallEnd | undefined): CompletionResult {
  if (end === undefined) throw new Error('The breaker ended a call that it had not begun.');
  return end.result;
}

function keyOf({ provider, model }: Asked): string {
  return `${provider} ${model}`;
}

/** Calls that are remembered of each target, and how many must be known before they outweigh the configuration. */
const window = 64;
const enough = 20;

/** How long each target's answers took of late, as seen by this worker; those that came as a stream apart. */
export class RecentLatency {
  private readonly latencies = new Map<string, number[]>();

  add(target: string, delivery: Delivery, latencyMs: number): void {
    const key = latencyKey(target, delivery);
    const known = this.latencies.get(key) ?? [];
    known.push(latencyMs);
    if (known.length > window) known.shift();
    this.latencies.set(key, known);
  }

  /** Milliseconds, or undefined while too few calls are known. */
  p95(target: string, delivery: Delivery): number | undefined {
    const known = this.latencies.get(latencyKey(target, delivery));
    if (!known || known.length < enough) return undefined;
    return quantile(known, 95);
  }
}

/** `collected` and `streamed` are the same call. */
function latencyKey(target: string, delivery: Delivery): string {
  return `${delivery === 'whole' ? 'whole' : 'stream'} ${target}`;
}
