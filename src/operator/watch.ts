import { setTimeout as sleep } from 'node:timers/promises';
import type { RolloutClient } from '../client/rollout-client';
import type { RolloutPhase } from '../contract/rollout';
import type { Rollouts } from '../contract/rollout-ledger';
import { findRollout } from './trail';
import { type ObservedWorkflow, observeWorkflow, readView, type RolloutView } from './view';
import { type RolloutWarning, warningsOf } from './warnings';

/** Why a watch ended. `needs-operator`: the rollout is paused, held or abandoned. */
export type WatchEnd = 'promoted' | 'rolled-back' | 'needs-operator' | 'timed-out' | 'interrupted';

export interface WatchOptions {
  /** Called about once a second. */
  readonly onView: (view: RolloutView) => void;
  /** Whether to keep watching while the rollout is paused or held. Default: false. */
  readonly waitsForOperator?: boolean;
  /** Default: as long as it takes. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal;
}

export interface Watched {
  readonly rollouts: Rollouts;
  /** Null when Temporal does not answer. */
  readonly client: RolloutClient | null;
  readonly name: string;
}

/** Fast enough for a person, slow enough for a ledger with many turns. */
const refreshMs = 1_000;
/** Asking Temporal more often would tell nothing new. */
const livenessMs = 5_000;

export async function watchRollout(
  { rollouts, client, name }: Watched,
  { onView, waitsForOperator = false, timeoutMs = Infinity, signal }: WatchOptions,
): Promise<WatchEnd> {
  const startedAtMs = Date.now();
  let workflow: ObservedWorkflow = { status: 'running', recordingFailure: null };
  let askedAtMs = -Infinity;
  for (;;) {
    if (signal?.aborted) return 'interrupted';
    if (Date.now() - askedAtMs >= livenessMs) {
      workflow = await observeWorkflow(client, name);
      askedAtMs = Date.now();
    }
    const view = await readView(rollouts, await findRollout(rollouts, name), workflow);
    onView(view);
    const end = watchEnd(view, waitsForOperator);
    if (end !== null) return end;
    if (Date.now() - startedAtMs >= timeoutMs) return 'timed-out';
    await sleep(refreshMs, undefined, { ...(signal && { signal }) }).catch(ignoreAbort);
  }
}

const endOfPhase: Readonly<Record<RolloutPhase, WatchEnd | null>> = {
  Progressing: null,
  Paused: 'needs-operator',
  Held: 'needs-operator',
  Promoting: 'promoted',
  Succeeded: 'promoted',
  RolledBack: 'rolled-back',
};

/** What no time will mend: an operator must act. */
const endsWatch: ReadonlySet<RolloutWarning['code']> = new Set([
  'no-workflow',
  'ledger-behind',
  'routing',
  'trouble-while-warm',
]);

/** How a watch ends; null if it continues. */
export function watchEnd(view: RolloutView, waitsForOperator: boolean): WatchEnd | null {
  const end = endOfPhase[view.state.phase];
  if (view.state.endedAtMs !== null) return end;
  if (warningsOf(view).some(({ code }) => endsWatch.has(code))) return 'needs-operator';
  return waitsForOperator && end === 'needs-operator' ? null : end;
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}
