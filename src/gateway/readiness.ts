import { setTimeout as delay } from 'node:timers/promises';
import { pollIsFreshForMs } from '../client/probes';
import { errorMessage } from '../contract/failures';
import { LedgerUnavailableError } from '../contract/ledger';
import type { GatewayParts } from './context';
import { GatewayError } from './gateway-error';
import type { GatewayLimits } from './limits';

/** `unknown`: only Temporal would know, and it does not answer. */
export type Finding = 'ok' | 'failed' | 'unknown';

/** What a turn needs before it can begin. */
export interface Findings {
  readonly ledger: Finding;
  readonly temporal: Finding;
  readonly worker: Finding;
}

type Need = keyof Findings;

/** What callers and probes are told when a need is missing, without any details of the service. */
export const whatIsMissing: Readonly<Record<Need, string>> = {
  ledger: 'The ledger does not take writes.',
  temporal: 'Temporal does not take new turns.',
  worker: 'No worker polls for turns.',
};

interface ReadinessOptions extends Pick<GatewayParts, 'client' | 'logger'> {
  readonly ledger: Pick<GatewayParts['ledger'], 'check'>;
  readonly limits: Pick<GatewayLimits, 'readinessMs' | 'lookEveryMs' | 'refuseAfterMs'>;
}

/** Checks every few seconds whether turns can begin, however many probes ask. */
export class Readiness {
  #latest: { readonly atMs: number; readonly findings: Promise<Findings> } | null = null;
  /** Since when each need has been missing without interruption. */
  readonly #missingSinceMs = new Map<Need, number>();
  #ledgerNeedsOperator = false;
  #latestPollAtMs: number | null | undefined;
  /** When a worker last polled, by this process's monotonic clock. */
  #polledAtMs = -Infinity;
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly parts: ReadinessOptions) {
    void this.look();
    this.#timer = setInterval(() => void this.look(), parts.limits.lookEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The latest findings, at most `lookEveryMs` old. Never rejects. */
  look(): Promise<Findings> {
    const nowMs = performance.now();
    // The timer may fire a little early.
    if (this.#latest === null || nowMs - this.#latest.atMs > this.parts.limits.lookEveryMs * 0.9) {
      this.#latest = { atMs: nowMs, findings: this.#examine() };
    }
    return this.#latest.findings;
  }

  /**
   * Why new turns are refused at once; null if they may still be answered. A restart takes less than a minute, and turns
   * wait for it. A ledger that an operator must repair (such as one on a full disk) does not come back by itself.
   */
  refusal(): GatewayError | null {
    for (const need of this.#missingSinceMs.keys()) {
      const mayReturn = !(need === 'ledger' && this.#ledgerNeedsOperator);
      if (!mayReturn || this.#isMissingForLong(need)) return this.#refusalFor(need);
    }
    return null;
  }

  /** True if the ledger may not answer at all, so that each look-up would wait for it. */
  get mayLackLedger(): boolean {
    return this.#isMissingForLong('ledger');
  }

  #isMissingForLong(need: Need): boolean {
    const sinceMs = this.#missingSinceMs.get(need);
    return sinceMs !== undefined && performance.now() - sinceMs >= this.parts.limits.refuseAfterMs;
  }

  #refusalFor(need: Need): GatewayError {
    const message = `${whatIsMissing[need]} This turn was not begun: send the request again later.`;
    return new GatewayError('turns_cannot_begin', message).retryAfter(this.parts.limits.lookEveryMs);
  }

  async #examine(): Promise<Findings> {
    const { ledger, client, limits } = this.parts;
    const { readinessMs } = limits;
    const [ledgerFailure, temporalFailure, worker] = await Promise.all([
      failureWithin(readinessMs, () => ledger.check()),
      failureWithin(readinessMs, () => client.check(readinessMs)),
      this.#findWorker(),
    ]);
    this.#ledgerNeedsOperator = ledgerFailure instanceof LedgerUnavailableError && ledgerFailure.isLasting;
    const findings: Findings = {
      ledger: ledgerFailure === null ? 'ok' : 'failed',
      temporal: temporalFailure === null ? 'ok' : 'failed',
      worker,
    };
    this.#note(findings, { ledger: ledgerFailure, temporal: temporalFailure });
    return findings;
  }

  async #findWorker(): Promise<Finding> {
    const { client, limits } = this.parts;
    let polledAtMs: number | null = null;
    const ask = async () => void (polledAtMs = await client.latestPollAtMs(limits.readinessMs));
    if ((await failureWithin(limits.readinessMs, ask)) !== null) return 'unknown';
    return this.#hasWorker(polledAtMs) ? 'ok' : 'failed';
  }

  /** Temporal's clock may differ from ours by minutes, but a change in its latest poll time proves a new poll. */
  #hasWorker(pollAtMs: number | null): boolean {
    const nowMs = performance.now();
    const previous = this.#latestPollAtMs;
    this.#latestPollAtMs = pollAtMs;
    if (pollAtMs !== null) {
      const ageMs = Math.max(0, Date.now() - pollAtMs);
      const hasChanged = previous !== undefined && (previous === null || pollAtMs > previous);
      this.#polledAtMs = Math.max(this.#polledAtMs, hasChanged ? nowMs : nowMs - ageMs);
    }
    return nowMs - this.#polledAtMs < pollIsFreshForMs;
  }

  #note(findings: Findings, failures: Readonly<Partial<Record<Need, unknown>>>): void {
    const { logger } = this.parts;
    for (const need of Object.keys(findings) as Need[]) {
      if (findings[need] === 'unknown') continue;
      const isMissing = findings[need] === 'failed';
      if (isMissing && !this.#missingSinceMs.has(need)) {
        this.#missingSinceMs.set(need, performance.now());
        logger.warn({ reason: failures[need] && errorMessage(failures[need]) }, `not ready: ${whatIsMissing[need]}`);
      }
      if (!isMissing && this.#missingSinceMs.delete(need)) logger.info({ need }, 'ready again');
    }
  }
}

/** The error if it failed or took too long; null if it succeeded. */
async function failureWithin(timeoutMs: number, ask: () => Promise<unknown>): Promise<unknown> {
  const failure = ask().then(
    () => null,
    (error: unknown) => error ?? new Error('failed'),
  );
  const tooLate = new Error(`no answer within ${timeoutMs} ms`);
  return Promise.race([failure, delay(timeoutMs, tooLate, { ref: false })]);
}
