import { randomBytes } from 'node:crypto';
import { CliWorkspace } from './run-cli';

const encryption = { BELLWETHER_ENCRYPTION_KEYS: `first:${randomBytes(32).toString('base64')}` };

let workspace: CliWorkspace;
beforeEach(() => {
  workspace = new CliWorkspace();
});
afterEach(() => workspace.remove());

test('without an encryption key, it says that there is nothing to decode', async () => {
  const { status, stderr } = await workspace.spawn(['codec-server']);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^Encryption is off.*set BELLWETHER_ENCRYPTION_KEYS /);
});

test('an address that other machines can reach is refused without --allow-remote and a token', async () => {
  const { status, stderr } = await workspace.run(['codec-server', '--host', '0.0.0.0', '--port', '0'], encryption);
  expect(status).toBe(2);
  expect(stderr).toMatch(/decrypts messages.*--allow-remote and --token-file/s);
});

test.each([
  ['an origin with a path', ['--origin', 'http://localhost:8080/']],
  ['an origin that is not a URL', ['--origin', 'localhost']],
  ['an invalid port', ['--port', '70000']],
])('%s is wrong usage', async (_name, args) => {
  const { status, stderr } = await workspace.run(['codec-server', ...args], encryption);
  expect(status).toBe(2);
  expect(stderr).toMatch(/--origin|--port/);
});

test('a missing token file is wrong usage', async () => {
  const { status, stderr } = await workspace.run(['codec-server', '--token-file', 'gone'], encryption);
  expect(status).toBe(2);
  expect(stderr).toMatch(/^--token-file: gone cannot be read: /);
});
