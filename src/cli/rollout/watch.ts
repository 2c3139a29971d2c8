import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import type { RolloutClient } from '../../client/index';
import type { Ledger } from '../../contract/ledger';
import type { RolloutPhase } from '../../contract/rollout';
import { formatDuration } from '../../domain/rollout/clock';
import { type Liveness, livenessOf, withOperatorIfAny, workflowProblem } from '../../operator/liveness';
import { findRollout, useLedger } from '../../operator/rollout-ledger';
import { readView, type RolloutView, routingProblem, statusAsJson } from '../../operator/rollout-view';
import { LiveView, type Terminal } from '../../terminal/live-view';
import { watchStatus } from '../exit-status';
import { parseDuration } from '../options';
import { statusLine, statusLines } from './status';

interface WatchFlags {
  readonly timeout?: number;
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** Fast enough for a person, slow enough for a ledger with many turns. */
const redrawMs = 1_000;
/** Asking Temporal more often would tell nothing new. */
const livenessMs = 5_000;
/** As shells give it. */
const interruptedStatus = 130;

/** `bellwether rollout watch`: follows a rollout until it is decided. */
export function watchCommand(): Command {
  return new Command('watch')
    .description('follow a rollout until it has all traffic, is rolled back, or needs an operator')
    .argument('[name]', 'the rollout (default: the most recent one)')
    .addOption(
      new Option('--timeout <duration>', 'give up after this, like 1h (default: never)').argParser(parseDuration),
    )
    .option('--wait', 'go on watching while it is paused or held')
    .option('--json', 'one JSON object a line, whenever something changes')
    .addHelpText(
      'after',
      '\nExit status: 0 promoted (the canary has all traffic), 1 rolled back, or failed, 2 wrong usage or configuration,\n3 paused or held, or no workflow runs behind it, 4 timed out.',
    )
    .action(async (name: string | undefined, flags: WatchFlags) => {
      process.exitCode = await watch(name, flags);
    });
}

async function watch(name: string | undefined, flags: WatchFlags): Promise<number> {
  const output = createWatchOutput(process.stdout, flags.json ?? false);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await useLedger((ledger) =>
      withOperatorIfAny((client) => follow({ ledger, client, name, flags, output, signal: stopping.signal })),
    );
  } finally {
    output.end();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

interface Following {
  readonly ledger: Ledger;
  readonly client: RolloutClient | null;
  readonly name: string | undefined;
  readonly flags: WatchFlags;
  readonly output: WatchOutput;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

async function follow({ ledger, client, name, flags, output, signal }: Following): Promise<number> {
  const startedAtMs = Date.now();
  const { spec } = await findRollout(ledger.rollouts, name);
  let workflow: Liveness = 'running';
  let askedAtMs = -Infinity;
  while (!signal.aborted) {
    if (Date.now() - askedAtMs >= livenessMs) {
      workflow = await livenessOf(client, spec.name);
      askedAtMs = Date.now();
    }
    const known = await findRollout(ledger.rollouts, spec.name);
    const view = await readView(ledger.rollouts, known, workflow, Date.now());
    output.show(view);
    const status = statusOf(view, flags.wait ?? false);
    if (status !== null) return status;
    if (flags.timeout !== undefined && Date.now() - startedAtMs >= flags.timeout) {
      process.stderr.write(`Not decided within ${formatDuration(flags.timeout)}.\n`);
      return watchStatus.timedOut;
    }
    await sleep(redrawMs, undefined, { signal }).catch(ignoreAbort);
  }
  return interruptedStatus;
}

const statusOfPhase: Readonly<Record<RolloutPhase, number | null>> = {
  Progressing: null,
  Paused: watchStatus.pausedOrHeld,
  Held: watchStatus.pausedOrHeld,
  Promoting: watchStatus.promoted,
  Succeeded: watchStatus.promoted,
  RolledBack: watchStatus.rolledBack,
};

/** What the watch ends with; null when it goes on. */
function statusOf({ state, workflow, split, spec }: RolloutView, waits: boolean): number | null {
  const status = statusOfPhase[state.phase];
  if (state.endedAtMs !== null) return status;
  // Without its workflow, or with another rollout in its place, nothing will happen any more.
  const isDead = (workflow !== 'running' && workflow !== 'unreachable') || split?.rollout !== spec.name;
  if (isDead) return watchStatus.pausedOrHeld;
  return waits && status === watchStatus.pausedOrHeld ? null : status;
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}

interface WatchOutput {
  show(view: RolloutView): void;
  end(): void;
}

/** Redrawn in place on a terminal; in a pipe, and as JSON, a line whenever something has changed. */
function createWatchOutput(stream: Terminal & { readonly isTTY?: boolean }, json: boolean): WatchOutput {
  if (json) return new ChangedLines(stream, (view) => JSON.stringify(statusAsJson(view)));
  if (stream.isTTY !== true) return new ChangedLines(stream, (view) => textOf(view).join('\n'));
  const live = new LiveView(stream);
  return { show: (view) => live.draw(statusLines(view, true)), end: () => live.end() };
}

function textOf(view: RolloutView): readonly string[] {
  const { state, spec, workflow } = view;
  const problems = [workflowProblem(workflow, spec.name, state.endedAtMs !== null), routingProblem(view)];
  return [statusLine(view), ...problems.filter((problem) => problem !== null)];
}

class ChangedLines implements WatchOutput {
  private shown: string | undefined;

  constructor(
    private readonly stream: Terminal,
    private readonly write: (view: RolloutView) => string,
  ) {}

  show(view: RolloutView): void {
    // While it is under way, the message tells counts and times that change all the time: what they lead to is what matters.
    const { state, workflow } = view;
    const message = state.phase === 'Progressing' || state.phase === 'Promoting' ? null : state.message;
    const change = JSON.stringify([state.phase, state.percent, state.bake, message, workflow, routingProblem(view)]);
    if (change === this.shown) return;
    this.shown = change;
    this.stream.write(`${this.write(view)}\n`);
  }

  end(): void {}
}
