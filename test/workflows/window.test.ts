import type { ChatMessage } from '../../src/contract/chat';
import { limits } from '../../src/contract/limits';
import { startRecordingProvider, type RecordedRequest, type RecordingProvider } from '../support/recording-provider';
import { startService, testApiKey, type Service } from '../support/service';
import { unique } from '../support/temporal';

const refusedContent = 'the question that no model takes';

let provider: RecordingProvider;
let service: Service;
beforeAll(async () => {
  provider = await startRecordingProvider(({ messages }) => (messages.at(-1)?.content === refusedContent ? 400 : 200));
  service = await startService({ environment: { HOLYSHEEP_BASE_URL: provider.baseUrl } });
});
afterAll(async () => {
  await service.stop();
  await provider.close();
});

async function requestsOf(work: () => Promise<unknown>): Promise<readonly RecordedRequest[]> {
  const before = provider.requests.length;
  await work();
  return provider.requests.slice(before);
}

test('the model sees the system prompt and the most recent messages, 20 in all', async () => {
  const sessionId = unique('session');
  const requests = await requestsOf(async () => {
    for (let turn = 1; turn <= 12; turn += 1) {
      await service.client.send({ sessionId, systemPrompt: 'Be brief.', content: `question ${turn}` });
    }
  });
  expect(requests[0]?.messages).toEqual([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'question 1' },
  ]);
  const last = requests.at(-1)?.messages ?? [];
  expect(last).toHaveLength(limits.maxWindowMessages);
  expect(last[0]).toEqual({ role: 'system', content: 'Be brief.' });
  expect(last.at(-1)).toEqual({ role: 'user', content: 'question 12' });
  expect(last.map((message) => message.content)).not.toContain('question 2');
});

test('a request carries key, turn and attempt, the default length, and no temperature that nobody asked for', async () => {
  const turnId = unique('turn');
  const [request] = await requestsOf(() =>
    service.client.send({ sessionId: unique('session'), turnId, content: 'Hello' }),
  );
  expect(request).toMatchObject({
    max_tokens: 1000,
    headers: { authorization: `Bearer ${testApiKey}`, 'x-request-id': `${turnId}.1` },
  });
  expect(request).not.toHaveProperty('temperature');
});

test('what a caller asks for is passed on, tokens up to the hard cap', async () => {
  const options = { temperature: 0, maxTokens: 5_000 };
  const [request] = await requestsOf(() =>
    service.client.send({ sessionId: unique('session'), content: 'Hello', ...options }),
  );
  expect(request).toMatchObject({ temperature: 0, max_tokens: 2_000 });
});

test('after a failed turn the model sees the question that had no answer, and not the apology', async () => {
  const sessionId = unique('session');
  const apology = await service.client.send({ sessionId, content: refusedContent });
  expect(apology).toMatchObject({ success: false, provider: 'degraded-mode' });
  const [request] = await requestsOf(() => service.client.send({ sessionId, content: 'another question' }));
  expect(request?.messages).toEqual([
    { role: 'user', content: refusedContent },
    { role: 'user', content: 'another question' },
  ]);
});

test('a one-shot turn is cut to the same window', async () => {
  const messages: ChatMessage[] = Array.from({ length: 31 }, (_, index) => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: `message ${index}`,
  }));
  const [request] = await requestsOf(() => service.client.complete({ messages }));
  expect(request?.messages).toEqual(messages.slice(-limits.maxWindowMessages));
});
