import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { type ObservedWorkflow, withoutTemporal } from './view';

/** Asking Temporal more often would tell nothing new. */
const askEveryMs = 5_000;
/** A first answer is worth this wait; a Temporal that is down takes longer to show it. */
const firstAnswerWithinMs = 1_500;
const maxRollouts = 100;

interface Asked {
  readonly askedAtMs: number;
  answer: ObservedWorkflow | null;
  readonly answering: Promise<unknown>;
}

/** What Temporal says of rollouts' workflows, for those who ask all the time and cannot wait for a Temporal that is down. */
export class RecentLiveness {
  private readonly asked = new LRUCache<string, Asked>({ max: maxRollouts });

  constructor(private readonly observe: (rollout: string) => Promise<ObservedWorkflow>) {}

  async of(rollout: string): Promise<ObservedWorkflow> {
    const known = this.asked.get(rollout);
    const isRecent = known !== undefined && (known.answer === null || Date.now() - known.askedAtMs < askEveryMs);
    const asked = isRecent ? known : this.ask(rollout, known?.answer ?? null);
    if (asked.answer === null) {
      const stop = new AbortController();
      const late = sleep(firstAnswerWithinMs, undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
      await Promise.race([asked.answering, late]);
      stop.abort();
    }
    return asked.answer ?? withoutTemporal;
  }

  /** @param before the answer until there is a new one */
  private ask(rollout: string, before: ObservedWorkflow | null): Asked {
    const settled = (answer: ObservedWorkflow): void => {
      asked.answer = answer;
    };
    const answering = this.observe(rollout).then(settled, () => settled(withoutTemporal));
    const asked: Asked = { askedAtMs: Date.now(), answer: before, answering };
    this.asked.set(rollout, asked);
    return asked;
  }
}
