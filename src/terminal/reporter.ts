import { createSpinner } from 'nanospinner';
import { cutLine } from './format';
import { printable } from './printable';

/** Tells the user about tasks that take long. */
export interface Reporter {
  /** Reports the start of a task that may take a while: "Downloading Temporal". */
  begin(task: string): ReportedTask;
  note(message: string): void;
}

export interface ReportedTask {
  /** The current detail: a percentage, a package's name. */
  progress(detail: string): void;
  succeed(message: string): void;
  fail(message: string): void;
}

/** One line every 15 s shows progress without filling a build log. */
const plainIntervalMs = 15_000;

/** A spinner on a terminal, plain lines in a pipe. Pass standard error: standard output is for the command's result. */
export function createReporter(stream: NodeJS.WriteStream, intervalMs = plainIntervalMs): Reporter {
  return {
    begin: (task) => {
      const reported = stream.isTTY ? beginSpinner(stream, task) : beginPlain(stream, task, intervalMs);
      // It may quote downloads and package managers.
      return {
        progress: (detail) => reported.progress(printable(detail)),
        succeed: (message) => reported.succeed(printable(message)),
        fail: (message) => reported.fail(printable(message)),
      };
    },
    note: (message) => void stream.write(`${printable(message)}\n`),
  };
}

/** Reports nothing. */
export const silentReporter: Reporter = {
  begin: () => ({ progress() {}, succeed() {}, fail() {} }),
  note() {},
};

function beginSpinner(stream: NodeJS.WriteStream, task: string): ReportedTask {
  const elapsed = startClock();
  const spinner = createSpinner(task, { stream }).start();
  let detail = '';
  const show = (): void => void spinner.update({ text: describe(task, elapsed(), detail, stream.columns) });
  const timer = setInterval(show, 1_000).unref();
  return {
    progress(next) {
      detail = next;
      show();
    },
    succeed(message) {
      clearInterval(timer);
      spinner.success({ text: message });
    },
    fail(message) {
      clearInterval(timer);
      spinner.error({ text: message });
    },
  };
}

function beginPlain(stream: NodeJS.WriteStream, task: string, intervalMs: number): ReportedTask {
  const elapsed = startClock();
  stream.write(`${task} …\n`);
  let detail = '';
  const timer = setInterval(() => stream.write(`${describe(task, elapsed(), detail)}\n`), intervalMs).unref();
  const end = (message: string): void => {
    clearInterval(timer);
    stream.write(`${message}\n`);
  };
  return { progress: (next) => void (detail = next), succeed: end, fail: end };
}

function startClock(): () => string {
  const startedAtMs = Date.now();
  return () => {
    const seconds = Math.round((Date.now() - startedAtMs) / 1000);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  };
}

/** One line, cut to the terminal's width so that the spinner in front of it can overwrite it. */
function describe(task: string, elapsed: string, detail: string, columns?: number): string {
  return cutLine(`${task} (${elapsed})${detail === '' ? '' : `: ${detail}`}`, (columns || Infinity) - 4);
}
