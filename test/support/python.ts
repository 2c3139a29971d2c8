import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { PythonSet } from './python-packages';

/** Set by global-setup for each set: the directory with its packages, or the reason why there is none. */
export function pythonEnvironment(set: PythonSet): { readonly packages: string; readonly missing: string } {
  const packages = `BELLWETHER_TEST_PYTHON_${set.toUpperCase().replaceAll('-', '_')}`;
  return { packages, missing: `${packages}_MISSING` };
}

/** Like `describe`, if the set's packages are there; otherwise skipped with the reason, but in CI it fails. */
export function describeWithPython(title: string, suite: () => void, set: PythonSet = 'clients'): void {
  const reason = process.env[pythonEnvironment(set).missing];
  if (reason === undefined) {
    describe(`${title} (Python)`, suite);
  } else if (process.env.CI === 'true') {
    describe(`${title} (Python)`, () => {
      test('CI has the Python packages to test with', () => expect(reason).toBeUndefined());
    });
  } else {
    describe.skip(`${title} (Python, skipped: ${reason})`, suite);
  }
}

/** A Python program that answers every line of JSON with another one. */
export interface PythonProgram {
  /** Commands are answered one after another. */
  ask(order: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

interface PythonOptions {
  readonly set?: PythonSet;
  readonly environment?: Readonly<Record<string, string>>;
}

/** `file` is relative to `test/`. */
export function startPython(file: string, { set = 'clients', environment = {} }: PythonOptions = {}): PythonProgram {
  const packages = process.env[pythonEnvironment(set).packages];
  if (packages === undefined) throw new Error('There are no Python packages here; use describeWithPython.');
  const child = spawn('python3', [join(__dirname, '..', file)], {
    env: { ...process.env, ...environment, PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = once(child, 'close');
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (order) => {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const { done, value } = await answers.next();
      if (done) throw new Error(`${file} ended before it answered: ${errors}`);
      return JSON.parse(value) as unknown;
    },
    stop: async () => {
      // It ends when its input ends.
      child.stdin.end();
      await ended;
    },
  };
}
