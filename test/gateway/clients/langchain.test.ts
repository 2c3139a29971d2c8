import { AIMessage, AIMessageChunk, HumanMessage, ToolMessage } from '@langchain/core/messages';
import { ChatOpenAI, type ChatOpenAIFields } from '@langchain/openai';
import { faults } from '../../../src/local/simulator/behaviour';
import { primaryModel } from '../../support/service';
import { hello } from '../gateway-service';
import { type ClientService, startClientService } from './client-service';
import { askForOrder, findOrderTool } from './find-order';
import { recordFetch } from './recorded-fetch';

let setting: ClientService;
beforeAll(async () => {
  setting = await startClientService();
});
afterAll(() => setting.stop());
beforeEach(() => setting.service.simulator.clearCalls());
afterEach(() => setting.service.simulator.setBehaviour('*', { alwaysFault: null, pieceGapMs: 0 }));

function connect({ configuration, ...fields }: ChatOpenAIFields = {}): ChatOpenAI {
  return new ChatOpenAI({
    model: 'bellwether',
    apiKey: setting.key,
    configuration: { baseURL: `${setting.gateway.url}/v1`, ...configuration },
    ...fields,
  });
}

const prompt = hello.messages[0].content;

test('invoke has the text, why it ended, its usage and the model that answered', async () => {
  const answer = await connect().invoke(prompt);
  expect(answer.content).toContain('Your order');
  expect(answer.response_metadata).toMatchObject({ finish_reason: 'stop', model_name: primaryModel });
  const { input_tokens = 0, output_tokens = 0, total_tokens } = answer.usage_metadata ?? {};
  expect(output_tokens).toBeGreaterThan(5);
  expect(total_tokens).toBe(input_tokens + output_tokens);
});

async function together(stream: AsyncIterable<AIMessageChunk>): Promise<{ whole: AIMessageChunk; count: number }> {
  let whole = new AIMessageChunk('');
  let count = 0;
  for await (const chunk of stream) {
    whole = whole.concat(chunk);
    count += 1;
  }
  return { whole, count };
}

test('stream tells the same text in pieces, and its usage', async () => {
  const plain = await connect().invoke(prompt);
  await setting.service.simulator.setBehaviour('*', { pieceGapMs: 20 });
  const { whole, count } = await together(await connect().stream(prompt));
  expect(count).toBeGreaterThan(4);
  expect(whole.content).toBe(plain.content);
  expect(whole.usage_metadata).toMatchObject({ total_tokens: plain.usage_metadata?.total_tokens });
  expect(whole.response_metadata['finish_reason']).toBe('stop');
});

test('bound tools are called, plain and streamed, and their results answered', async () => {
  const model = connect().bindTools([findOrderTool]);
  const question = new HumanMessage(askForOrder);
  const answer = await model.invoke([question]);
  expect(answer.tool_calls).toMatchObject([{ name: 'find_order', args: { number: 'ORD-7' } }]);
  const { whole } = await together(await model.stream([question]));
  expect(whole.tool_calls).toEqual(answer.tool_calls);

  const [call] = answer.tool_calls ?? [];
  if (call === undefined) throw new Error('No tool was called.');
  const result = new ToolMessage({ content: 'It is on its way.', tool_call_id: call.id ?? '' });
  const end = await model.invoke([question, answer, result]);
  expect(end).toBeInstanceOf(AIMessage);
  expect(end.content).toBe('The tool says: It is on its way.');
});

test('structured output fits its schema', async () => {
  const schema = { type: 'object', properties: { answer: { type: 'string' } }, required: ['answer'] };
  const model = connect().withStructuredOutput<{ answer: string }>(schema, { name: 'answer', method: 'jsonSchema' });
  expect((await model.invoke(prompt)).answer).toContain('order');
});

describe('an error', () => {
  const failureOf = async (fields: ChatOpenAIFields): Promise<{ error: unknown; statuses: readonly number[] }> => {
    const { fetch, statuses } = recordFetch();
    const error: unknown = await connect({ ...fields, configuration: { fetch } })
      .invoke(prompt)
      .then(
        () => new Error('That was answered.'),
        (failure: unknown) => failure,
      );
    return { error, statuses };
  };

  test('for a key that is none has its status and its code, and is not repeated', async () => {
    const { error, statuses } = await failureOf({ apiKey: 'sk-nobody' });
    expect(error).toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect(statuses).toEqual([401]);
  });

  test('for an unknown model has its status, its field and its code, and is not repeated', async () => {
    const { error, statuses } = await failureOf({ model: 'gpt-99' });
    expect(error).toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    expect(statuses).toEqual([404]);
  });

  test('for a used-up budget is not repeated', async () => {
    const { error, statuses } = await failureOf({ apiKey: await setting.createKey({ totalNanoUsd: 1 }) });
    expect(error).toMatchObject({ status: 402, code: 'insufficient_quota' });
    expect(statuses).toEqual([402]);
    expect(await setting.service.simulator.calls()).toEqual([]);
  });

  test('of a chain that failed is repeated by the client as often as it is told to', async () => {
    await setting.service.simulator.setBehaviour('*', { alwaysFault: faults.serverError(503) });
    const { error, statuses } = await failureOf({ maxRetries: 0 });
    expect(error).toMatchObject({ status: 503, code: 'provider_unavailable' });
    expect(statuses).toEqual([503]);
  });

  test('in the middle of a stream is thrown', async () => {
    await setting.service.simulator.setBehaviour('*', {
      pieceGapMs: 100,
      alwaysFault: { kind: 'error-in-body', afterTokens: 3, message: 'overloaded' },
    });
    const read = connect({ maxRetries: 0 }).stream(prompt).then(together);
    await expect(read).rejects.toThrow('No model answered');
  });
});
