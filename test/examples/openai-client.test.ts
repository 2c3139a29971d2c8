import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startGatewayService } from '../gateway/gateway-service';
import { describeWithPython, pythonEnvironment } from '../support/python';

const examples = join(__dirname, '../../examples');

/** What a program says and how often it called a model: the same for every client. */
async function expectConversation(program: string, file: string): Promise<void> {
  const running = await startGatewayService();
  try {
    const { stdout } = await promisify(execFile)(program, [join(examples, file)], {
      env: {
        PATH: process.env['PATH'],
        OPENAI_BASE_URL: `${running.gateway.url}/v1`,
        OPENAI_API_KEY: running.key,
        PYTHONPATH: process.env[pythonEnvironment('clients').packages],
        PYTHONDONTWRITEBYTECODE: '1',
      },
    });
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[0]).toContain('#ORD-789456');
    expect(lines[1]).toMatch(/^same answer again: true$/i);
    expect(lines[2]).toMatch(/\p{Script=Han}/u);
    expect(lines[3]).toMatch(/^\d+ \+ \d+ tokens$/);
    expect(lines[4]).toBe('404 model_not_found');
    expect(await running.service.simulator.calls()).toHaveLength(2);
  } finally {
    await running.stop();
  }
}
const title = 'an answer, the same again for the same request, a streamed one that remembers, an error with its code';

test(`the example for Node: ${title}`, () => expectConversation(process.execPath, 'openai-client.mjs'));

describeWithPython('the example for Python', () => {
  test(title, () => expectConversation('python3', 'openai_client.py'));
});
