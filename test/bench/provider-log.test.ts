import { ProviderLog } from '../../bench/provider-log';
import type { SimulatedCall } from '../../src/local/simulator/call-log';

function call(changes: Partial<SimulatedCall>): SimulatedCall {
  return {
    id: 'c',
    requestId: 'turn.1',
    model: 'm',
    startedAtMs: 1_000,
    firstTokenAtMs: null,
    endedAtMs: 1_300,
    status: 200,
    outcome: 'answered',
    fault: null,
    promptTokens: 1,
    completionTokens: 1,
    charged: true,
    ...changes,
  };
}

test('the provider’s own time runs from the start of the call to its first token and to its end', () => {
  const log = new ProviderLog([call({ firstTokenAtMs: 1_050 }), call({ requestId: 'other.1', endedAtMs: 1_100 })]);
  expect(log.timesOf('turn')).toEqual({ firstTokenMs: 50, wholeMs: 300 });
  expect(log.timesOf('other')).toEqual({ firstTokenMs: null, wholeMs: 100 });
});

test('if a turn has several calls, the last one counts and the others are extra', () => {
  const log = new ProviderLog([call({}), call({ requestId: 'turn.2', endedAtMs: 1_700 })]);
  expect(log.timesOf('turn').wholeMs).toBe(700);
  expect(log.extraCalls).toBe(1);
});

test('a turn without a finished call invalidates the figures', () => {
  const log = new ProviderLog([call({ endedAtMs: null })]);
  expect(() => log.timesOf('turn')).toThrow('no finished call of turn turn');
  expect(() => log.timesOf('another')).toThrow('no finished call of turn another');
});
