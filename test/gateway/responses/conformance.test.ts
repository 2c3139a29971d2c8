import { describeWithPython, type PythonProgram, startPython } from '../../support/python';
import { type ScriptedProvider, startScriptedProvider } from '../../support/scripted-provider';
import { type GatewayService, oneAttempt, startGatewayService } from '../gateway-service';

interface Result {
  readonly id: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  readonly errors: readonly string[];
}

/** The suite asks for thoughts only of models that are known to think. */
const model = 'gpt-5';

const passing = [
  'basic-response',
  'system-prompt',
  'multi-turn',
  'tool-calling',
  'streaming-response',
  'streaming-usage',
  'image-input',
  'assistant-phase',
  'response-output-phase-schema',
  'compact-response',
  'compact-missing-model',
  'reasoning-summary',
  'error-handling',
];

describeWithPython(
  "llm-comply's tests of Open Responses",
  () => {
    let provider: ScriptedProvider;
    let setting: GatewayService;
    let python: PythonProgram;
    beforeAll(async () => {
      provider = await startScriptedProvider();
      setting = await startGatewayService({
        environment: { HOLYSHEEP_BASE_URL: provider.baseUrl },
        configuration: { retry: oneAttempt, gateway: { aliases: [model] } },
      });
      python = startPython('gateway/responses/conformance.py', { set: 'conformance' });
    });
    afterAll(async () => {
      await python.stop();
      await setting.stop();
      await provider.close();
    });

    test('pass, all that apply', async () => {
      const text = { pieces: ['It is ', 'on its way.'] };
      const call = { type: 'function', function: { name: 'get_weather', arguments: '{"location":"San Francisco"}' } };
      const calling = { pieces: [''], finishReason: 'tool_calls', toolCalls: [{ index: 0, id: 'call_1', ...call }] };
      const thinking = { ...text, thoughts: 'Fifteen times 37 is 555.' };
      // In the order of its requests. Thoughts come last: it does not know the names of their events, which are in its own schema.
      provider.answer(text, text, text, calling, text, text, text, text, text, thinking);
      const results = (await python.ask({
        base_url: `${setting.gateway.url}/v1`,
        api_key: setting.key,
        model,
      })) as Result[];
      expect(results).toEqual(passing.map((id) => ({ id, status: 'passed', errors: [] })));
    });
  },
  'conformance',
);
