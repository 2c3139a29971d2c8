import type { ChatMessage, ToolCall } from '../../src/contract/chat';
import { limits } from '../../src/contract/limits';
import { startRecordingProvider, type RecordingProvider } from '../support/recording-provider';
import { startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

/** Sessions whose messages are more than one text, with the simulator, which calls the tools that it is told to. */
let service: Service;
/** The same with a provider that keeps what it was asked. */
let recorded: Service;
let provider: RecordingProvider;
beforeAll(async () => {
  service = await startService();
  provider = await startRecordingProvider();
  recorded = await startService({ environment: { HOLYSHEEP_BASE_URL: provider.baseUrl } });
});
afterAll(async () => {
  await service.stop();
  await recorded.stop();
  await provider.close();
});

const tools = [{ type: 'function', function: { name: 'find_order', parameters: {} } }];
const modelOptions = { tools };
const resultOf = ({ id }: ToolCall): ChatMessage => ({ role: 'tool', tool_call_id: id, content: 'on its way' });

async function callTool(sessionId: string): Promise<ToolCall> {
  const reply = await service.client.send({ sessionId, content: 'call find_order {"id":7}', modelOptions });
  expect(reply).toMatchObject({ content: '', success: true, finish_reason: 'tool_calls' });
  expect(reply.tool_calls).toMatchObject([{ function: { name: 'find_order', arguments: '{"id":7}' } }]);
  return reply.tool_calls![0]!;
}

test('a tool’s result is a turn of its own, and the model sees the call that it answers', async () => {
  const sessionId = unique('session');
  const call = await callTool(sessionId);
  const result = resultOf(call);
  const reply = await service.client.send({ sessionId, content: '', messages: [result], modelOptions });
  expect(reply).toMatchObject({ content: 'The tool says: on its way', finish_reason: 'stop' });
  expect(reply.tool_calls).toBeUndefined();

  const { turns } = await service.client.transcript(sessionId);
  expect(turns).toMatchObject([
    { userContent: 'call find_order {"id":7}', reply: { tool_calls: [call] } },
    { userContent: '', messages: [result], reply: { content: 'The tool says: on its way' } },
  ]);
});

test('whoever writes something else while a result is due gets an answer', async () => {
  const sessionId = unique('session');
  await callTool(sessionId);
  const reply = await service.client.send({ sessionId, content: 'Never mind. Do you ship to Vietnam?' });
  expect(reply).toMatchObject({ success: true, attempts: 1 });
});

test('the model sees messages as they were sent, remembered ones too, without calls that nobody answered', async () => {
  const sessionId = unique('session');
  const picture: ChatMessage = {
    role: 'user',
    content: [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: 'https://example.com/shoe.png', detail: 'low' } },
    ],
  };
  const call: ToolCall = { id: 'call_1', type: 'function', function: { name: 'find_order', arguments: '{}' } };
  const round: ChatMessage[] = [
    { role: 'user', content: 'Look it up.' },
    { role: 'assistant', content: null, tool_calls: [call, { ...call, id: 'call_2' }] },
    resultOf(call),
  ];
  await recorded.client.send({ sessionId, content: '', messages: [picture], modelOptions });
  await recorded.client.send({ sessionId, content: '', messages: round });
  const [first, second] = provider.requests.slice(-2);
  expect(first?.messages).toEqual([picture]);
  expect(first).toMatchObject({ tools });
  expect(second?.messages).toEqual([
    picture,
    { role: 'assistant', content: expect.stringContaining('answer') as string },
    round[0],
    { role: 'assistant', content: null, tool_calls: [call] },
    resultOf(call),
  ]);
  expect(second).not.toHaveProperty('tools');
  await expect(recorded.client.transcript(sessionId)).resolves.toMatchObject({
    turns: [{ messages: [picture] }, { messages: round }],
  });
});

test('the window never begins between a call and its result', async () => {
  const sessionId = unique('session');
  for (let turn = 0; turn < 12; turn += 1) {
    const call: ToolCall = { id: `call_${turn}`, type: 'function', function: { name: 'find_order', arguments: '{}' } };
    const messages: ChatMessage[] = [
      { role: 'user', content: `question ${turn}` },
      { role: 'assistant', content: null, tool_calls: [call] },
      resultOf(call),
    ];
    await recorded.client.send({ sessionId, content: '', messages });
    const sent = provider.requests.at(-1)?.messages ?? [];
    expect(sent.length).toBeLessThanOrEqual(limits.maxWindowMessages);
    for (const [index, { role, tool_call_id }] of sent.entries()) {
      if (role === 'tool') expect(sent[index - 1]?.tool_calls).toMatchObject([{ id: tool_call_id }]);
    }
    expect(sent.at(-1)).toEqual(resultOf(call));
  }
});
