import { useEffect, useRef, useState } from 'preact/hooks';
import type { CommandRequest, RolloutPage } from '../contract/page';
import type { RolloutCommandName } from '../contract/rollout';
import { DecisionFigures } from './decision-figures';
import { formatPercent, formatUtcTime } from './format';
import { phases } from './elements';
import { useFreshness } from './freshness';
import { RequestProblem, sendCommand } from './server';
import { serverNowMs } from './server-time';

export const commandWords: Readonly<Record<RolloutCommandName, string>> = {
  promote: 'Promote',
  pause: 'Pause',
  resume: 'Resume',
  exclude: 'Exclude a period',
  rollback: 'Roll back',
};

const longestReason = 500;
/** So that a rollback takes two clicks, and no typing, when minutes count. */
const rollbackReason = 'Decided on the operator’s page.';
/** A first guess at the period to exclude. */
const excludedMs = 60 * 60 * 1000;

interface Props {
  readonly command: RolloutCommandName;
  /** As it is now; the dialog keeps what it was when it opened. */
  readonly rollout: RolloutPage;
  readonly asOfMs: number;
  readonly onClose: () => void;
  /** What the page says once the dialog is closed. */
  readonly onResult: (message: string) => void;
  readonly onLoggedOut: () => void;
}

/** Shows what a command will be decided on and do, and asks why. */
export function CommandDialog({ command, rollout, asOfMs, onClose, onResult, onLoggedOut }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [shown, setShown] = useState({ rollout, asOfMs });
  const [problem, setProblem] = useState('');
  const [isSending, setIsSending] = useState(false);
  const { isStale } = useFreshness(asOfMs);
  const reason = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
    // Not the button: Enter held down must not open the dialog and confirm it, too.
    reason.current?.focus({ preventScroll: true });
  }, []);

  /** A dialog that was closed while it waited for the answer cannot tell it. */
  const tellProblem = (message: string): void => (dialog.current === null ? onResult(message) : setProblem(message));
  const send = async (form: HTMLFormElement): Promise<void> => {
    setIsSending(true);
    setProblem('');
    try {
      const { accepted, message } = await sendCommand(requestOf(command, shown.rollout, new FormData(form)));
      if (accepted) {
        onResult(message);
        // Closing it ourselves gives the focus back to the button.
        dialog.current?.close();
      } else {
        tellProblem(message);
      }
    } catch (error) {
      if (error instanceof RequestProblem && error.isLoggedOut) onLoggedOut();
      tellProblem(whatToDo(error, command, shown.rollout.name));
    } finally {
      setIsSending(false);
    }
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const mayBeSent = command === 'rollback' || !isStale;
    if (mayBeSent && !isSending) void send(event.currentTarget as HTMLFormElement);
  };

  const word = commandWords[command];
  return (
    <dialog ref={dialog} class="command" aria-labelledby="command-title" onClose={onClose}>
      <form onSubmit={submit} aria-busy={isSending}>
        <h2 id="command-title">
          {word}: {shown.rollout.name}
        </h2>
        <p>{shown.rollout.now.effects[command]}</p>
        <DecisionFigures rollout={shown.rollout} asOfMs={shown.asOfMs} />
        <div role="alert" class="notices">
          {hasMoved(shown.rollout, rollout) && (
            <p class="notice">
              This has changed since the dialog opened: {standOf(shown.rollout)} then, {standOf(rollout)} now.{' '}
              <button type="button" class="plain" onClick={() => setShown({ rollout, asOfMs })}>
                Show how it is now
              </button>
            </p>
          )}
          {isStale && (
            <p class="notice">
              The page is not up to date.{' '}
              {command === 'rollback' ? 'A rollback is possible all the same.' : 'Wait until it is.'}
            </p>
          )}
        </div>
        {command === 'exclude' && <Period />}
        {command === 'promote' && <Override name={shown.rollout.name} />}
        <label class="field">
          Reason, for the audit trail
          <textarea
            name="reason"
            rows={2}
            maxLength={longestReason}
            required={command !== 'rollback'}
            ref={reason}
            defaultValue={command === 'rollback' ? rollbackReason : ''}
          />
        </label>
        <p role="alert" class="problem">
          {problem}
        </p>
        <div class="buttons">
          <button
            type="submit"
            class={command === 'rollback' ? 'primary danger' : 'primary'}
            disabled={isStale && command !== 'rollback'}
          >
            {isSending ? 'Sending…' : confirmation(command, shown.rollout)}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}

function confirmation(command: RolloutCommandName, { from }: RolloutPage): string {
  return command === 'rollback' ? `Roll everybody back to ${from}` : commandWords[command];
}

/** What would make a careful operator look again. */
function hasMoved(shown: RolloutPage, rollout: RolloutPage): boolean {
  // A page that follows the newest rollout shows another one as soon as that has started.
  const isAnother = shown.name !== rollout.name;
  return isAnother || shown.now.setPercent !== rollout.now.setPercent || shown.now.phase !== rollout.now.phase;
}

function standOf({ name, now }: RolloutPage): string {
  return `${name} ${phases[now.phase].word} at ${formatPercent(now.setPercent)}`;
}

function requestOf(command: RolloutCommandName, shown: RolloutPage, form: FormData): CommandRequest {
  const text = (name: string): string => {
    const value = form.get(name);
    return typeof value === 'string' ? value.trim() : '';
  };
  const request = {
    rollout: shown.name,
    command,
    reason: text('reason') || rollbackReason,
    seenPercent: shown.now.setPercent,
  };
  if (command === 'exclude') {
    return { ...request, fromMs: new Date(text('from')).getTime(), toMs: new Date(text('to')).getTime() };
  }
  const force = form.has('force');
  const full = form.has('full');
  return command === 'promote' && (force || full) ? { ...request, force, full, typedName: text('typedName') } : request;
}

function whatToDo(error: unknown, command: RolloutCommandName, name: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const isAnswer = error instanceof RequestProblem && error.status !== null;
  if (isAnswer) return message;
  const unsure = `${message} Nobody knows whether the command arrived: look at the audit trail before you send it again.`;
  return command === 'rollback'
    ? `${message} Send it again: a rollback may be repeated. Or, in a terminal: bellwether rollout rollback ${name}`
    : unsure;
}

function Override({ name }: { readonly name: string }) {
  const [force, setForce] = useState(false);
  const [full, setFull] = useState(false);
  return (
    <fieldset>
      <legend>Only if you must</legend>
      <label class="choice">
        <input type="checkbox" name="force" checked={force} onChange={() => setForce(!force)} />
        Force it, whatever the evidence says
      </label>
      <label class="choice">
        <input type="checkbox" name="full" checked={full} onChange={() => setFull(!full)} />
        Go to 100% at once, without the steps between
      </label>
      {(force || full) && (
        <label class="field">
          Type the rollout’s name to confirm: {name}
          <input name="typedName" required autocomplete="off" spellcheck={false} />
        </label>
      )}
    </fieldset>
  );
}

function Period() {
  const [from, setFrom] = useState(() => fieldTime(serverNowMs() - excludedMs));
  const [to, setTo] = useState(() => fieldTime(serverNowMs()));
  return (
    <fieldset>
      <legend>Period to exclude, in your time zone</legend>
      <PeriodEnd name="from" label="From" value={from} onChange={setFrom} />
      <PeriodEnd name="to" label="To" value={to} onChange={setTo} />
    </fieldset>
  );
}

function PeriodEnd(props: {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}) {
  const { name, label, value, onChange } = props;
  const atMs = new Date(value).getTime();
  return (
    <label class="field">
      {label}
      <input
        type="datetime-local"
        step="1"
        name={name}
        required
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <span class="soft small">{Number.isNaN(atMs) ? '' : formatUtcTime(atMs)}</span>
    </label>
  );
}

/** `2026-11-30T17:10:05` in the viewer's time zone, as the field takes it. */
function fieldTime(atMs: number): string {
  const local = new Date(atMs - new Date(atMs).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19);
}
