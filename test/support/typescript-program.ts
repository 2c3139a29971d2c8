import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** A TypeScript file that runs in its own process, so that a test can kill it. */
export interface TypescriptProgram {
  readonly process: ChildProcess;
  /** Its output so far. */
  readonly output: { stdout: string; stderr: string };
  /** Resolves with the exit status; null if a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Resolves with the first line of standard output. */
  readonly firstLine: Promise<string>;
}

/** `file` is relative to `test/`. */
export function startTypescript(file: string, ...programArguments: string[]): TypescriptProgram {
  const script = join(__dirname, '..', file);
  const child = spawn(
    process.execPath,
    ['--require', join(__dirname, 'register-typescript.js'), script, ...programArguments],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const output = { stdout: '', stderr: '' };
  const ended = once(child, 'close').then(([code]: (number | null)[]) => code ?? null);
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output.stdout += chunk.toString();
      const end = output.stdout.indexOf('\n');
      if (end >= 0) resolve(output.stdout.slice(0, end));
    });
    void ended.then((code) =>
      reject(new Error(`${file} ended with ${code} before it said anything: ${output.stderr}`)),
    );
  });
  // A failure matters only where it is awaited.
  firstLine.catch(() => undefined);
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  return { process: child, output, ended, firstLine };
}
