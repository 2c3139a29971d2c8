import { InvalidInputError } from '../src/client';
import { formatPath } from '../src/contract/problem';
import { chatTurnProblem, conversationProblem, sendMessageProblem } from '../src/domain/turn/validate-input';
import { type ErrorAnswer, type GatewayService, hello, startGatewayService } from './gateway/gateway-service';
import { wrongTurns } from './support/wrong-values';

/** One table of wrong values, and what each surface names as the place of it. */
let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService();
});
afterAll(() => setting.stop());

const good = { turnId: 't', content: '', messages: [{ role: 'user', content: 'Hello' }] };

describe.each(wrongTurns)('$title', ({ options, path, message, gateway }) => {
  const isOfSession = 'sessionId' in options;
  const turn = isOfSession ? ({ turnId: 't', ...options } as never) : ({ ...good, ...options } as never);

  test('is reported for its field', () => {
    const problem = isOfSession ? (conversationProblem(turn) ?? sendMessageProblem(turn)) : chatTurnProblem(turn);
    expect(problem).toEqual(expect.objectContaining({ code: expect.any(String), message }));
    expect(formatPath(problem!.path)).toBe(path);
  });

  test('is refused by the client', async () => {
    const { client } = setting.service;
    const call = isOfSession ? client.send(turn) : client.complete(turn);
    const error: unknown = await call.catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(InvalidInputError);
    const { path: place, message: said, problems } = error as InvalidInputError;
    expect({ path: formatPath(place), said }).toEqual({ path, said: `${path} ${message}` });
    expect(problems).toEqual([expect.objectContaining({ path: place, message })]);
  });

  // Some cannot be written in OpenAI's words.
  if (gateway === undefined) return;
  test('is refused by the gateway', async () => {
    const { body, session, param, message: said } = gateway;
    const headers: Record<string, string> = session ? { 'x-bellwether-session': 's' } : {};
    const response = await setting.call('/v1/chat/completions', { ...hello, ...body }, headers);
    const { error } = (await response.json()) as ErrorAnswer;
    expect({ status: response.status, ...error }).toEqual({
      status: 400,
      type: 'invalid_request_error',
      param,
      code: 'invalid_value',
      message: `${param} ${said}.`,
    });
  });
});

test('the error names a tool result whose call the session does not remember', async () => {
  const messages = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Yes?' },
    { role: 'tool', content: 'x', tool_call_id: 'c-9' },
  ];
  const response = await setting.call(
    '/v1/chat/completions',
    { ...hello, messages },
    { 'x-bellwether-session': 'tool-session' },
  );
  const { error } = (await response.json()) as ErrorAnswer;
  expect(error).toMatchObject({ param: 'messages[2].tool_call_id', code: 'invalid_value' });
  expect(error.message).toMatch(/^messages\[2\]\.tool_call_id names a call that .* before the result\.$/);
});
