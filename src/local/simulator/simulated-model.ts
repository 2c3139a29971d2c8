import { faultlessBehaviour, type Fault, type ModelBehaviour, type PoorAnswer } from './behaviour';
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

  /** What is wrong with the answer to a question in this language; null for nothing. Takes a random number if anything can be. */
  nextPoorAnswer(language: string): PoorAnswer['kind'] | null {
    const { poorAnswers } = this.behaviourNow;
    if (poorAnswers.length === 0) return null;
    const chance = this.random();
    let threshold = 0;
    for (const poor of poorAnswers) {
      if (poor.language !== undefined && poor.language !== language) continue;
      threshold += poor.probability;
      if (chance < threshold) return poor.kind;
    }
    return null;
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
  for (const language of ['en', 'zh']) {
    const poor = behaviour.poorAnswers.filter((each) => each.language === undefined || each.language === language);
    const poorProbability = poor.reduce((sum, each) => sum + each.probability, 0);
    if (poorProbability > 1) {
      throw new RangeError(
        `The probabilities of poor answers add up to ${poorProbability} for ${language}, more than 1.`,
      );
    }
  }
  return behaviour;
}
