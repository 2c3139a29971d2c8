import pino from 'pino';
import { TemporalUnreachableError, TurnNotKeptError, TurnNotSentError, type BellwetherClient } from '../../src/client';
import { defaultConfig } from '../../src/config/defaults';
import type { ChatReply } from '../../src/contract/chat';
import { failureKinds, type FailureKind } from '../../src/contract/failures';
import { configuredLimits } from '../../src/gateway/limits';
import { GatewayMetrics } from '../../src/gateway/metrics';
import { OpenRequests } from '../../src/gateway/open-requests';
import { errorOfClient, errorOfReply } from '../../src/gateway/handle-errors';
import { waitForTurn } from '../../src/gateway/wait-for-turn';

const failedReply = (kind: string) =>
  ({ success: false, blocked: false, error: 'a reason', error_kind: kind as FailureKind }) as ChatReply;

test.each([...failureKinds, 'of-a-newer-worker', 'constructor'])('a chain that failed with %s has a status', (kind) => {
  const { status, fields } = errorOfReply(failedReply(kind));
  expect(status).toBeGreaterThanOrEqual(400);
  expect(fields.message).toContain('a reason');
});

test('a reply that makes no sense ends in an error, not in a rejection that ends the process', async () => {
  const nonsense = null as unknown as ChatReply;
  const client = { completeChecked: () => Promise.resolve(nonsense) } as unknown as BellwetherClient;
  const end = await waitForTurn(
    { client, metrics: new GatewayMetrics(), open: new OpenRequests(configuredLimits(defaultConfig.gateway)) },
    { kind: 'stateless', options: {} } as Parameters<typeof waitForTurn>[1],
    { isNew: true, joins: false, log: pino({ level: 'silent' }) },
  );
  expect(end).toMatchObject({ error: { status: 500, fields: { code: 'internal_error' } } });
});

test('a request whose turn may have begun is to be repeated only when it would join it', () => {
  const unreachable = new TemporalUnreachableError('Temporal does not answer');
  expect(errorOfClient(unreachable, true)).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
  expect(errorOfClient(unreachable, true)?.headers).not.toHaveProperty('x-should-retry');
  expect(errorOfClient(unreachable, false)?.headers).toHaveProperty('x-should-retry', 'false');
});

test.each([true, false])(
  'a request whose turn was never sent may be repeated, whether or not it has a key: %s',
  (joins) => {
    const error = errorOfClient(new TurnNotSentError('It was not sent. Send it again.'), joins);
    expect(error).toMatchObject({ status: 429, fields: { code: 'session_busy' }, headers: { 'retry-after': '2' } });
    expect(error?.headers).not.toHaveProperty('x-should-retry');
    expect(error?.fields.message).toContain('not sent');
  },
);

test('a turn whose answer Temporal has lost is gone, and not to be sent again as it is', () => {
  const error = errorOfClient(new TurnNotKeptError('It was answered before.'), true);
  expect(error).toMatchObject({ status: 410, fields: { code: 'turn_not_kept' } });
});

test.each(['session', 'day', 'key'] as const)('a blocked turn says what to do about the budget: %s', (refused_by) => {
  const reply = { success: false, blocked: true, error: 'A budget is used up', refused_by } as ChatReply;
  const advice = { session: 'another session', day: '00:00 UTC', key: 'another key' }[refused_by];
  expect(errorOfReply(reply)).toMatchObject({ status: 402, fields: { message: expect.stringContaining(advice) } });
});
