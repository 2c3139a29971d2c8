import { faultlessBehaviour, type Fault, type ModelBehaviour } from './behaviour';
import { sampleLatencyMs, seededRandom } from '../../domain/random';

/** One model with its behaviour, its queue of faults and its own random numbers. */
export class SimulatedModel {
  private behaviourNow: ModelBehaviour;
  private readonly queuedFaults: Fault[] = [];
  private readonly random: () => number;

  constructor(
    readonly name: string,
    changes: Partial<ModelBehaviour>,
    seed: string,
  ) {
    this.behaviourNow = checked({ ...faultlessBehaviour, ...changes });
    this.random = seededRandom(`${seed}/${name}`);
  }

  get behaviour(): ModelBehaviour {
    return this.behaviourNow;
  }

  change(changes: Partial<ModelBehaviour>): void {
    this.behaviourNow = checked({ ...this.behaviourNow, ...changes });
  }

  /** Each of these faults applies to one of the next calls. */
  queueFaults(faults: readonly Fault[]): void {
    this.queuedFaults.push(...faults);
  }

  /** Decides what happens to the next call. Every call takes three random numbers, so that a fault does not shift the sequence. */
  next(): { readonly fault: Fault | null; readonly latencyMs: number } {
    const chance = this.random();
    const latencyMs = sampleLatencyMs(this.behaviourNow.latency, this.random(), this.random());
    const fault = this.queuedFaults.shift() ?? this.behaviourNow.alwaysFault ?? this.randomFault(chance);
    return { fault, latencyMs };
  }

  private randomFault(chance: number): Fault | null {
    let threshold = 0;
    for (const { fault, probability } of this.behaviourNow.randomFaults) {
      threshold += probability;
      if (chance < threshold) return fault;
    }
    return null;
  }
}

/** Validates the behaviour when it is set, instead of failing in a later call. */
function checked(behaviour: ModelBehaviour): ModelBehaviour {
  sampleLatencyMs(behaviour.latency, 0.5, 0.5);
  const probability = behaviour.randomFaults.reduce((sum, each) => sum + each.probability, 0);
  if (probability > 1) throw new RangeError(`The probabilities of the faults add up to ${probability}, more than 1.`);
  return behaviour;
}
