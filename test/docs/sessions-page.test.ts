import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type GatewayService, startGatewayService } from '../gateway/gateway-service';

const page = readFileSync(join(__dirname, '../../docs/sessions.md'), 'utf8');
const commands = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text);

let service: GatewayService;
beforeAll(async () => {
  service = await startGatewayService();
});
afterAll(() => service.stop());

test('every command on the page is answered, in their order', async () => {
  expect(commands.length).toBeGreaterThan(3);
  for (const command of commands) {
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', command], {
      env: {
        PATH: process.env['PATH'],
        OPENAI_BASE_URL: `${service.gateway.url}/v1`,
        OPENAI_API_KEY: service.key,
      },
    });
    expect(stdout).toMatch(/^\{/);
    expect(stdout).not.toContain('{"error":');
  }
});
