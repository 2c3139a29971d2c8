import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type ObservedWorkflow, withoutTemporal } from './view';

/** Asking Temporal more often would tell nothing new. */
const askEveryMs = 5_000;
/** A Temporal that answers later than this is no help to those who look at the page. */
export const answerWithinMs = 10_000;
/** Then a question has failed, or should have: the answer before it says nothing of now. */
const shownForMs = askEveryMs + answerWithinMs;
/** An answer is worth this wait if there is none to show; a Temporal that is down takes longer to show it. */
const waitMs = 1_500;
const maxRollouts = 100;

interface Known {
  askedAtMs: number;
  /** Null: Temporal has answered it, or failed. */
  question: Promise<void> | null;
  answer: ObservedWorkflow | null;
  answeredAtMs: number;
}

/** What Temporal says of rollouts' workflows, for those who ask all the time and cannot wait for a Temporal that is down. */
export class RecentLiveness {
  private readonly known = new LRUCache<string, Known>({ max: maxRollouts });

  /** @param observe should give up after `answerWithinMs`: nothing is asked of a rollout while a question is open */
  constructor(private readonly observe: (rollout: string) => Promise<ObservedWorkflow>) {}

  async of(rollout: string): Promise<ObservedWorkflow> {
    const known = this.knownOf(rollout);
    if (known.question === null && performance.now() - known.askedAtMs >= askEveryMs) this.ask(rollout, known);
    if (!isCurrent(known)) await briefly(known);
    return known.answer !== null && isCurrent(known) ? known.answer : withoutTemporal;
  }

  private knownOf(rollout: string): Known {
    const known = this.known.get(rollout) ?? {
      askedAtMs: -Infinity,
      question: null,
      answer: null,
      answeredAtMs: -Infinity,
    };
    this.known.set(rollout, known);
    return known;
  }

  private ask(rollout: string, known: Known): void {
    const settled = (answer: ObservedWorkflow): void => {
      known.question = null;
      known.answer = answer;
      known.answeredAtMs = performance.now();
    };
    known.askedAtMs = performance.now();
    known.question = this.observe(rollout).then(settled, () => settled(withoutTemporal));
  }
}

function isCurrent({ answeredAtMs }: Known): boolean {
  return performance.now() - answeredAtMs < shownForMs;
}

/** Waits for the open question, but not long after it was asked. */
async function briefly({ question, askedAtMs }: Known): Promise<void> {
  const restMs = askedAtMs + waitMs - performance.now();
  if (question === null || restMs <= 0) return;
  const stop = new AbortController();
  const late = sleep(restMs, undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
  await Promise.race([question, late]);
  stop.abort();
}
