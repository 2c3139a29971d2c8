import type { ChatReply } from '../../../src/contract/chat';
import { GatewayError } from '../../../src/gateway/gateway-error';
import {
  failedResponse,
  itemOf,
  outputItems,
  outputItemSchema,
  plainEcho,
  responseSchema,
  toResponse,
  turnOfResponse,
  unfinishedResponse,
} from '../../../src/gateway/responses/response-object';

const turn = { turnId: '0f0e-1', createdAtMs: 1_700_000_000_900 };

function replyWith(changes: Partial<ChatReply>): ChatReply {
  return {
    turn_id: turn.turnId,
    session_id: null,
    content: 'It is on its way.',
    provider: 'holysheep-primary',
    model: 'gpt-4.1',
    handler: 'holysheep',
    canary: false,
    attempts: 1,
    latency_ms: 250,
    tokens_used: 12,
    cost_usd: 0.000001,
    unconfirmed_usd: 0,
    success: true,
    error: null,
    blocked: false,
    remaining_budget: 1,
    usage: { prompt_tokens: 9, completion_tokens: 3, cached_tokens: 4, reasoning_tokens: 2 },
    ...changes,
  };
}

const call = { id: 'call_1', type: 'function', function: { name: 'find_order', arguments: '{"id":7}' } };

describe('a response object', () => {
  it('has the answer, its usage, and when it was whole', () => {
    const response = toResponse(replyWith({}), turn, plainEcho);
    expect(responseSchema.parse(response)).toEqual(response);
    expect(response).toMatchObject({
      id: 'resp_0f0e-1',
      status: 'completed',
      created_at: 1_700_000_000,
      completed_at: 1_700_000_001,
      model: 'gpt-4.1',
      output: [{ id: 'msg_0f0e-1', content: [{ type: 'output_text', text: 'It is on its way.' }] }],
      usage: {
        input_tokens: 9,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 3,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 12,
      },
    });
    expect(turnOfResponse(response.id)).toBe(turn.turnId);
  });

  it.each([
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ])('is incomplete when its model stopped for %s', (finish_reason, reason) => {
    const response = toResponse(replyWith({ finish_reason }), turn, plainEcho);
    expect(response).toMatchObject({ status: 'incomplete', incomplete_details: { reason } });
    expect(response.output[0]).toMatchObject({ status: 'incomplete' });
  });

  it('has the message, the thoughts and the calls as items, whose ids say which they are', () => {
    const reply = replyWith({ reasoning_content: 'An order.', tool_calls: [call, { ...call, id: 'call_2' }] });
    const items = outputItems(reply, turn.turnId, plainEcho);
    expect(items.map((item) => outputItemSchema.parse(item))).toEqual(items);
    expect(items.map(({ id }) => itemOf(id))).toEqual([
      { kind: 'message', turnId: turn.turnId, index: 0 },
      { kind: 'reasoning', turnId: turn.turnId, index: 0 },
      { kind: 'call', turnId: turn.turnId, index: 0 },
      { kind: 'call', turnId: turn.turnId, index: 1 },
    ]);
    expect(items[3]).toMatchObject({ call_id: 'call_2', name: 'find_order', arguments: '{"id":7}' });
  });

  it('has a refusal as part of its message, and no message where the model only calls tools', () => {
    expect(outputItems(replyWith({ content: '', refusal: 'No.' }), turn.turnId, plainEcho)).toMatchObject([
      { type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] },
    ]);
    expect(outputItems(replyWith({ content: '', tool_calls: [call] }), turn.turnId, plainEcho)).toMatchObject([
      { type: 'function_call' },
    ]);
  });

  it('without an answer says why, or that it is still to come', () => {
    const failed = failedResponse(new GatewayError('provider_timeout', 'No model answered.'), turn, plainEcho);
    expect(responseSchema.parse(failed)).toMatchObject({ status: 'failed', error: { code: 'provider_timeout' } });
    const unfinished = unfinishedResponse('in_progress', turn, plainEcho);
    expect(responseSchema.parse(unfinished)).toMatchObject({ status: 'in_progress', output: [], usage: null });
  });

  it.each(['msg_', 'call_1', 'fc_a', 'msg_a_1', 'msg_a\0b', 'rs_é'])('has no item of the id %j', (id) => {
    expect(itemOf(id)).toBeNull();
  });
});
