import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { faults } from '../../../src/local/simulator/behaviour';
import { readCallLog } from '../../../src/local/simulator/call-log';
import { startSimulatorProcess, type SimulatorProcess } from '../../../src/local/simulator/simulator-process';
import { eventually } from '../../support/eventually';

import { startTypescript } from '../../support/typescript-program';

const script = join(__dirname, '../../support/simulator-main.js');

let directory: string;
let logFile: string;
let simulator: SimulatorProcess;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'simulator-'));
  logFile = join(directory, 'calls.jsonl');
  simulator = await startSimulatorProcess({ script, models: { m: {} }, logFile });
});

afterEach(async () => {
  await simulator.close();
  await rm(directory, { recursive: true });
});

async function ask(): Promise<Response> {
  const response = await fetch(`${simulator.baseUrl}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hello' }] }),
  });
  // An unread response holds its connection until the garbage collector closes it.
  await response.text();
  return response;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

test('can be controlled from another process', async () => {
  await simulator.queueFaults('m', [faults.serverError(503)]);
  expect((await ask()).status).toBe(503);
  await simulator.setApiKeys(['key']);
  expect((await ask()).status).toBe(401);
  await simulator.setApiKeys(null);
  await simulator.setBehaviour('m', { alwaysFault: faults.rateLimited() });
  expect((await ask()).status).toBe(429);
  expect((await simulator.calls()).map((call) => call.status)).toEqual([503, 401, 429]);
  expect(await simulator.openConnections()).toBeGreaterThanOrEqual(1);
  await simulator.clearCalls();
  expect(await simulator.calls()).toEqual([]);
  await expect(simulator.setBehaviour('n', {})).rejects.toThrow(
    'The simulator refused setBehaviour: This simulator has no model n; it has m.',
  );
});

test('can be controlled while its provider is down', async () => {
  await simulator.goDown();
  await expect(ask()).rejects.toThrow();
  await simulator.comeUp();
  expect((await ask()).status).toBe(200);
});

test('loses no call if it is killed', async () => {
  await ask();
  await simulator.setBehaviour('m', { alwaysFault: { kind: 'silence' } });
  const broken = expect(ask()).rejects.toThrow();
  await eventually('the call has begun', async () => (await simulator.calls()).length === 2);
  process.kill(simulator.pid, 'SIGKILL');
  await broken;
  expect(readCallLog(logFile).map((call) => call.outcome)).toEqual(['answered', 'in-progress']);
});

test('ends with the process that started it', async () => {
  const owner = startTypescript('local/simulator/programs/owner-of-a-simulator.ts');
  const pid = Number(await owner.firstLine);
  expect(isRunning(pid)).toBe(true);
  owner.process.kill('SIGKILL');
  await eventually('the simulator has ended', () => !isRunning(pid));
  expect(isRunning(pid)).toBe(false);
});

test('says so if it cannot start', async () => {
  const taken = Number(new URL(simulator.baseUrl).port);
  await expect(startSimulatorProcess({ script, models: { m: {} }, port: taken })).rejects.toThrow(
    'The simulator exited before it was listening (status 1).',
  );
});
