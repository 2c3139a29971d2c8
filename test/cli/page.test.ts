import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pagePaths } from '../../src/contract/page';
import { cookieOf, post } from '../page-server/page-service';
import { prepareService, type Service } from '../support/service';
import { CliWorkspace } from './run-cli';

const program = join(__dirname, '../../dist/cli/main.js');

let service: Service;
let workspace: CliWorkspace;
beforeAll(async () => {
  service = await prepareService();
  workspace = new CliWorkspace();
});
afterAll(async () => {
  await service.stop();
  await workspace.remove();
});

function start(environment: Readonly<Record<string, string>>, ...flags: string[]): ChildProcess {
  const env = { PATH: process.env['PATH'], HOME: workspace.directory, ...environment };
  return spawn(process.execPath, [program, 'page', '--port', '0', ...flags], { cwd: workspace.directory, env });
}

test('the page alone is served from the ledger, and its link logs in as an operator', async () => {
  const child = start(service.environment, '--json');
  const [output] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  const { url, login_link } = JSON.parse(output.toString()) as { url: string; login_link: string };
  expect(login_link.startsWith(`${url}/login#`)).toBe(true);
  const { origin, hash } = new URL(login_link);
  const answer = await post(origin, pagePaths.login, { code: hash.slice(1) });
  expect(answer.status).toBe(204);
  const data = await fetch(`${origin}${pagePaths.data}`, { headers: { cookie: cookieOf(answer) } });
  expect(await data.json()).toMatchObject({ viewer: { name: 'local', mayOperate: true }, rollout: null });
  child.kill('SIGTERM');
  const [status] = (await once(child, 'close')) as [number | null];
  expect(status).toBe(0);
});

test('without a ledger it says what to do', async () => {
  const child = start({});
  let told = '';
  child.stderr?.on('data', (text: Buffer) => (told += text.toString()));
  const [status] = (await once(child, 'close')) as [number | null];
  expect(status).toBe(1);
  expect(told).toContain('There is no ledger yet');
});
