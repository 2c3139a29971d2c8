import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { type GatewayService, oneAttempt, startGatewayService } from '../gateway/gateway-service';
import { eventually } from '../support/eventually';
import { end } from '../support/server-process';
import { sharedTemporal, unique } from '../support/temporal';

const directory = join(__dirname, '../../examples/agent-on-temporal');

interface Call {
  readonly model: string;
  readonly messages: readonly { readonly role: string; readonly content: unknown }[];
}

/** A model that calls the tool before it answers, and whose calls wait until the test lets them go. */
async function startAgentModel() {
  const calls: Call[] = [];
  let letGo = (): void => undefined;
  let isHealthy = true;
  const released = new Promise<void>((resolve) => (letGo = resolve));
  const server = createServer((incoming, response) => {
    void json(incoming).then(async (read) => {
      const call = read as Call;
      calls.push(call);
      await released;
      const found = call.messages.find(({ role }) => role === 'tool');
      const asks = [{ id: 'call_1', type: 'function', function: { name: 'find_order', arguments: '{"id":7}' } }];
      const message = found
        ? { role: 'assistant', content: `I know: ${String(found.content)}` }
        : { role: 'assistant', content: null, tool_calls: asks };
      const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
      response.writeHead(isHealthy ? 200 : 400, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(
          isHealthy
            ? {
                model: call.model,
                choices: [{ index: 0, message, finish_reason: found ? 'stop' : 'tool_calls' }],
                usage,
              }
            : { error: { message: 'no such tool' } },
        ),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls,
    letGo: () => letGo(),
    fail: () => (isHealthy = false),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.each(['completions', 'responses'])('over %s', (api) => {
  let model: Awaited<ReturnType<typeof startAgentModel>>;
  let setting: GatewayService;
  let environment: NodeJS.ProcessEnv;
  const workers: ChildProcess[] = [];
  beforeAll(async () => {
    model = await startAgentModel();
    setting = await startGatewayService({
      environment: { HOLYSHEEP_BASE_URL: model.baseUrl },
      configuration: { retry: oneAttempt },
    });
    const { address, namespace } = sharedTemporal();
    environment = {
      PATH: process.env['PATH'],
      OPENAI_BASE_URL: `${setting.gateway.url}/v1`,
      OPENAI_API_KEY: setting.key,
      TEMPORAL_ADDRESS: address,
      TEMPORAL_NAMESPACE: namespace,
      AGENT_TASK_QUEUE: unique('agents'),
      AGENT_API: api,
    };
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => end(worker, 'SIGKILL')));
    await setting.stop();
    await model.close();
  });

  async function startAgentWorker(): Promise<ChildProcess> {
    const worker = spawn(process.execPath, [join(directory, 'worker.mjs')], {
      env: environment,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    workers.push(worker);
    await once(worker.stdout, 'data');
    return worker;
  }

  async function ask(question: string): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, [join(directory, 'ask.mjs'), question], {
      env: environment,
    });
    return stdout.trim();
  }

  test("an agent whose worker is killed in the middle of a model's call goes on, and each call is made and paid once", async () => {
    const first = await startAgentWorker();
    const answer = ask('Where is order 7?');
    await eventually('the model is called', () => model.calls.length === 1);
    await end(first, 'SIGKILL');
    await startAgentWorker();
    model.letGo();
    expect(await answer).toContain('in transit');
    // One call that asked for the tool, one with its result.
    expect(model.calls).toHaveLength(2);
    const rows = await setting.service.ledger.attempts();
    expect(rows.map(({ state, attempt }) => [state, attempt])).toEqual([
      ['settled', 1],
      ['settled', 1],
    ]);
    expect(new Set(rows.map(({ turnId }) => turnId)).size).toBe(2);
  });

  test('a request that no model takes ends the agent, and is not sent again', async () => {
    model.fail();
    const { length } = model.calls;
    await expect(ask('Where is order 8?')).rejects.toThrow(/fail/i);
    // Each of the chain's two targets was asked once.
    expect(model.calls).toHaveLength(length + 2);
  });
});
