import { randomBytes } from 'node:crypto';
import type { Completion } from '../../src/gateway/completion';
import type { ErrorAnswer } from './gateway-service';
import { type RecordingProvider, startRecordingProvider } from '../support/recording-provider';
import { unique } from '../support/temporal';
import { type GatewayService, hello, startGatewayService } from './gateway-service';

let provider: RecordingProvider;
let setting: GatewayService;
beforeAll(async () => {
  provider = await startRecordingProvider();
  setting = await startGatewayService({ environment: { HOLYSHEEP_BASE_URL: provider.baseUrl } });
});
afterAll(async () => {
  await setting.stop();
  await provider.close();
});

const user = hello.messages[0];

/** The answer, and what the provider was asked for it. */
async function asked(body: unknown, headers?: Record<string, string>) {
  const before = provider.requests.length;
  const response = await setting.call('/v1/chat/completions', body, headers);
  const answer = (await response.json()) as Completion & Partial<ErrorAnswer>;
  expect({ status: response.status, error: answer.error }).toEqual({ status: 200, error: undefined });
  const [request] = provider.requests.slice(before);
  return { answer, request: request as unknown as Record<string, unknown>, headers: response.headers };
}

describe('pictures', () => {
  const picture = randomBytes(5_000_000);
  const dataUrl = `data:image/png;base64,${picture.toString('base64')}`;
  const showing = (url: string, text = 'What is it?') => ({
    ...hello,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text },
          { type: 'image_url', image_url: { url, detail: 'low' } },
        ],
      },
    ],
  });

  test('of 5 MB reach the provider as they came', async () => {
    const { request } = await asked(showing(dataUrl));
    expect(request['messages']).toEqual(showing(dataUrl).messages);
  });
});
