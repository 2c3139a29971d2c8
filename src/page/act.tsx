import { useState } from 'preact/hooks';
import type { PageViewer, RolloutPage } from '../contract/page';
import type { RolloutCommandName } from '../contract/rollout';
import { CommandDialog, commandWords } from './command-dialog';
import { formatWholeDuration } from './format';
import { useFreshness } from './freshness';

/** In the order of the buttons; the one that takes everybody back stands apart. */
const commands: readonly RolloutCommandName[] = ['promote', 'pause', 'resume', 'exclude', 'rollback'];

interface Props {
  readonly rollout: RolloutPage;
  readonly viewer: PageViewer;
  /** When the server last read the ledger. */
  readonly asOfMs: number;
  readonly onLoggedOut: () => void;
}

/** The buttons, what they cannot do now, and what the last one did. */
export function Act(props: Props) {
  const { rollout, viewer, asOfMs, onLoggedOut } = props;
  const [open, setOpen] = useState<RolloutCommandName | null>(null);
  const [result, setResult] = useState('');
  const { isStale, ageMs } = useFreshness(asOfMs);
  const { unavailable } = rollout.now;
  const impossible = commands.filter((command) => unavailable[command] !== undefined);
  // Nothing is left to do; the page says already how it ended.
  const isOver = impossible.length === commands.length;
  if (!viewer.mayOperate && !isOver) {
    return (
      <p class="act soft">The key “{viewer.name}” may only look. To act, log in with a key whose role is operator.</p>
    );
  }
  return (
    <div class="act">
      {!isOver && (
        <div class="buttons" role="group" aria-label="Act on the rollout">
          {commands.map((command) => (
            <button
              type="button"
              key={command}
              class={command === 'rollback' ? 'danger' : undefined}
              disabled={unavailable[command] !== undefined || (isStale && command !== 'rollback')}
              onClick={() => {
                setResult('');
                setOpen(command);
              }}
            >
              {commandWords[command]}…
            </button>
          ))}
        </div>
      )}
      {isStale && !isOver && (
        <p class="problem">
          The data is {formatWholeDuration(ageMs)} old. Until it is up to date again, only a rollback is possible.
        </p>
      )}
      {!isOver && impossible.length > 0 && <Impossible commands={impossible} unavailable={unavailable} />}
      <p role="status" class="result">
        {result}
      </p>
      {open !== null && (
        <CommandDialog
          command={open}
          rollout={rollout}
          asOfMs={asOfMs}
          onLoggedOut={onLoggedOut}
          onClose={() => setOpen(null)}
          onResult={setResult}
        />
      )}
    </div>
  );
}

function Impossible(props: {
  readonly commands: readonly RolloutCommandName[];
  readonly unavailable: RolloutPage['now']['unavailable'];
}) {
  return (
    <details class="small soft">
      <summary>Why some are not possible now</summary>
      <ul>
        {props.commands.map((command) => (
          <li key={command}>
            <b>{commandWords[command]}:</b> {props.unavailable[command]}
          </li>
        ))}
      </ul>
    </details>
  );
}
