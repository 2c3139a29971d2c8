import type { Target } from '../contract/policy';
import type { CompletionResult } from '../contract/provider';
import type { HealthSignal } from '../domain/turn/outcome-meanings';

type Member = Pick<Target, 'provider' | 'model' | 'pool'>;

interface Rest {
  /** When it began, when it ends, and until when the provider itself asked for it: all by `performance.now()`. */
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly askedUntilMs: number;
  /** Whether a trial call is in flight. */
  isTried: boolean;
}

/** Some providers name the end of the day or month: a key may be topped up before. */
const longestRestMs = 600_000;

/**
 * Which members of pools this worker leaves alone for now. One failure is enough, because the others go on. When the rest is
 * over, one call finds out whether the member works; for all other calls, it rests until it starts to answer.
 */
export class MemberRests {
  private readonly rests = new Map<string, Rest>();

  isResting(member: Member): boolean {
    const rest = this.restOf(member);
    return rest !== undefined && (rest.isTried || performance.now() < rest.untilMs);
  }

  /** Whether its provider asked for the rest. */
  mustRest(member: Member): boolean {
    return performance.now() < (this.restOf(member)?.askedUntilMs ?? 0);
  }

  /** Call before each call of a target; the result must be told when it starts to answer, and when it has ended. */
  begin(member: Member): MemberCall {
    const startedAtMs = performance.now();
    const rest = this.restOf(member);
    if (rest !== undefined) rest.isTried = true;
    const works = () => {
      // A call that began before says nothing about what happened since.
      if ((this.restOf(member)?.sinceMs ?? 0) <= startedAtMs) this.rests.delete(keyOf(member));
    };
    return {
      works,
      end: (signal, result) => {
        if (rest !== undefined) rest.isTried = false;
        if (member.pool === undefined) return;
        const failure = result?.kind === 'failed' ? result.failure : null;
        if (failure !== null && (signal === 'fails' || failure.kind === 'unauthorized')) {
          this.rest(member, member.pool.cooldownMs, failure.retryAfterMs ?? 0);
        } else if (signal === 'works') works();
      },
    };
  }

  private rest(member: Member, cooldownMs: number, askedMs: number): void {
    const key = keyOf(member);
    const nowMs = performance.now();
    const wanted = nowMs + Math.min(askedMs, longestRestMs);
    // Another call may fail later, and without a word about how long.
    const askedUntilMs = Math.max(wanted, this.rests.get(key)?.askedUntilMs ?? 0);
    const untilMs = askedMs > 0 ? askedUntilMs : Math.max(askedUntilMs, nowMs + cooldownMs);
    this.rests.set(key, { sinceMs: nowMs, untilMs, askedUntilMs, isTried: false });
  }

  private restOf(member: Member): Rest | undefined {
    return member.pool === undefined ? undefined : this.rests.get(keyOf(member));
  }
}

interface MemberCall {
  /** The member has started to answer. */
  works(): void;
  /** @param result null: the call was not made */
  end(signal: HealthSignal, result: CompletionResult | null): void;
}

function keyOf({ provider, model }: Member): string {
  return `${provider} ${model}`;
}
