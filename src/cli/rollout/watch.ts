import { Command, Option } from 'commander';
import { formatDuration } from '../../domain/rollout/clock';
import { withOperator } from '../../operator/rollout-operator';
import { statusAsJson } from '../../operator/status-json';
import type { RolloutView } from '../../operator/view';
import { warningsOf } from '../../operator/warnings';
import type { WatchEnd } from '../../operator/watch';
import { LiveView, type Terminal } from '../../terminal/live-view';
import { watchStatus } from '../exit-status';
import { parseDuration } from '../options';
import { statusLine, statusLines } from './status';

interface WatchFlags {
  readonly timeout?: number;
  readonly wait?: boolean;
  readonly json?: boolean;
}

/** `bellwether rollout watch`: follows a rollout until it is decided. */
export function watchCommand(): Command {
  return new Command('watch')
    .description('follow a rollout until it has all traffic, is rolled back, or needs an operator')
    .argument('[name]', 'the rollout (default: the most recent one)')
    .addOption(
      new Option('--timeout <duration>', 'give up after this time, such as 1h (default: never)').argParser(
        parseDuration,
      ),
    )
    .option('--wait', 'keep watching while it is paused or held')
    .option('--json', 'print one JSON object per line whenever something changes')
    .addHelpText(
      'after',
      '\nExit status: 0 promoted (the canary has all traffic), 1 rolled back or failed, 2 wrong usage or configuration,\n3 paused or held, or no workflow runs it, 4 timed out.',
    )
    .action(async (name: string | undefined, flags: WatchFlags) => {
      process.exitCode = await watch(name, flags);
    });
}

async function watch(name: string | undefined, { json, wait, timeout }: WatchFlags): Promise<number> {
  const output = createWatchOutput(process.stdout, json ?? false);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const end = await withOperator((operator) =>
      operator.watch(name, {
        onView: (view) => output.show(view),
        waitsForOperator: wait ?? false,
        timeoutMs: timeout,
        signal: stopping.signal,
      }),
    );
    if (end === 'timed-out') process.stderr.write(`Not decided within ${formatDuration(timeout ?? 0)}.\n`);
    return statusOfEnd[end];
  } finally {
    output.end();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

const statusOfEnd: Readonly<Record<WatchEnd, number>> = {
  promoted: watchStatus.promoted,
  'rolled-back': watchStatus.rolledBack,
  'needs-operator': watchStatus.pausedOrHeld,
  'timed-out': watchStatus.timedOut,
  // As shells report it.
  interrupted: 130,
};

interface WatchOutput {
  show(view: RolloutView): void;
  end(): void;
}

/** Redraws in place on a terminal; in a pipe, or as JSON, writes a line whenever something changes. */
function createWatchOutput(stream: Terminal & { readonly isTTY?: boolean }, json: boolean): WatchOutput {
  if (json) return new ChangedLines(stream, (view) => JSON.stringify(statusAsJson(view)));
  if (stream.isTTY !== true) return new ChangedLines(stream, (view) => textOf(view).join('\n'));
  const live = new LiveView(stream);
  return { show: (view) => live.draw(statusLines(view, true)), end: () => live.end() };
}

function textOf(view: RolloutView): readonly string[] {
  return [statusLine(view), ...warningsOf(view).map(({ message }) => message)];
}

class ChangedLines implements WatchOutput {
  private shown: string | undefined;

  constructor(
    private readonly stream: Terminal,
    private readonly write: (view: RolloutView) => string,
  ) {}

  show(view: RolloutView): void {
    // While the rollout runs, its message has counts and times that change all the time; only what follows from them counts.
    const { state, workflow } = view;
    const message = state.phase === 'Progressing' || state.phase === 'Promoting' ? null : state.message;
    const warnings = warningsOf(view).map(({ code }) => code);
    const change = JSON.stringify([state.phase, state.percent, state.bake, message, workflow, warnings]);
    if (change === this.shown) return;
    this.shown = change;
    this.stream.write(`${this.write(view)}\n`);
  }

  end(): void {}
}
