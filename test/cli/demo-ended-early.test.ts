import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { embeddedDataFile } from '../../src/temporal-server/data-file';
import { cacheDirectory } from '../support/cache-directory';
import { eventually } from '../support/eventually';
import { CliWorkspace } from './run-cli';

const program = join(__dirname, '../../dist/cli/main.js');

let workspace: CliWorkspace;

beforeEach(() => (workspace = new CliWorkspace()));
afterEach(() => workspace.remove());

/** A demonstration that has just asked its first question. */
async function startDemo() {
  const dataDirectory = join(workspace.directory, 'data');
  const child = spawn(process.execPath, [program, 'demo'], {
    cwd: workspace.directory,
    env: {
      PATH: process.env['PATH'],
      HOME: workspace.directory,
      BELLWETHER_DATA_DIR: dataDirectory,
      BELLWETHER_CACHE_DIR: cacheDirectory,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'close').then(([status]: (number | null)[]) => ({ status, output }));
  const hasAsked = (): boolean => output.includes('user ›') || child.exitCode !== null;
  await eventually('the demonstration asks its first question', hasAsked, 100_000);
  const [, worker] = /worker (\d+) runs/.exec(output) ?? [];
  if (worker === undefined) throw new Error(`The demonstration has no worker: ${output}`);
  const serverFile = `${embeddedDataFile(join(dataDirectory, 'demo'))}.server.json`;
  const { pid: server } = JSON.parse(readFileSync(serverFile, 'utf8')) as { pid: number };
  return { child, ended, worker: Number(worker), server, serverFile };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

test('Ctrl-C ends the demonstration and everything that it started', async () => {
  const { child, ended, worker, server, serverFile } = await startDemo();
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ status: 130, output: expect.stringContaining('interrupted') as string });
  expect([worker, server].filter(isRunning)).toEqual([]);
  expect(existsSync(serverFile)).toBe(false);
});

test('if a worker dies unexpectedly, the demonstration ends and names the log that says why', async () => {
  const { ended, worker, server } = await startDemo();
  process.kill(worker, 'SIGKILL');
  const { status, output } = await ended;
  expect(status).toBe(1);
  expect(output).toContain(`The worker (process ${worker}) ended with SIGKILL`);
  expect(output).toMatch(/Its log says why: .*worker\.log/);
  expect(isRunning(server)).toBe(false);
});
