import { LiveView, type Terminal } from './live-view';
import { routingProblem, type RolloutView } from './rollout-view';
import { statusAsJson } from './status-json';
import { statusLine, statusLines } from './status-lines';
import { workflowProblem } from './liveness';

export interface WatchOutput {
  show(view: RolloutView): void;
  end(): void;
}

/** Redrawn in place on a terminal; in a pipe, and as JSON, a line whenever something has changed. */
export function createWatchOutput(stream: Terminal & { readonly isTTY?: boolean }, json: boolean): WatchOutput {
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
