import type { OpenTurnInput } from '../../src/contract/turn';
import { AnswerSoFar } from '../../src/domain/stream/answer-so-far';
import { faults } from '../../src/local/simulator/behaviour';
import type { SimulatedCall } from '../../src/local/simulator/call-log';
import { primaryModel } from '../support/service';
import { eventually } from '../support/eventually';
import { newTurn, open, prepareSetting, type Setting } from './setting';

let setting: Setting;
beforeAll(async () => {
  setting = await prepareSetting();
});
afterAll(() => setting.stop());

async function callsOf({ turnId }: OpenTurnInput): Promise<readonly SimulatedCall[]> {
  return (await setting.simulator.calls()).filter(({ requestId }) => requestId?.startsWith(`${turnId}.`));
}

const callIdsOf = async (turn: OpenTurnInput) => (await callsOf(turn)).map(({ requestId }) => requestId);
const promptsOf = async (turn: OpenTurnInput) => (await callsOf(turn)).map(({ promptTokens }) => promptTokens);

async function shownTo(turnId: string): Promise<AnswerSoFar> {
  const caller = new AnswerSoFar();
  for (const piece of await setting.streams.pieces(turnId)) caller.take(piece);
  return caller;
}

/** A process that shows some of an answer and is never heard of again. */
async function loseProcess(turn: OpenTurnInput): Promise<void> {
  await setting.simulator.queueFaults(primaryModel, [{ kind: 'stall', afterTokens: 8 }]);
  const lost = open(setting.newProcess(), turn);
  lost.catch(() => undefined);
  await eventually('some of the answer is shown', async () => (await shownTo(turn.turnId)).text !== '');
}

test('a process that takes a streamed turn over goes on from what the lost one showed, reserved for it', async () => {
  const turn: OpenTurnInput = { ...newTurn(), delivery: 'streamed' };
  await loseProcess(turn);
  const { text: begun } = await shownTo(turn.turnId);
  const opened = await open(setting.newProcess(), turn);
  if (opened.kind !== 'answered') throw new Error(`The turn ended as ${opened.kind}.`);

  const caller = await shownTo(turn.turnId);
  expect(opened.content.length).toBeGreaterThan(begun.length);
  expect(caller.finish(opened.content)).toEqual({ kind: 'rest', text: '' });
  // What the second admission reserved was not enough for the longer prompt, and is given back.
  expect(await callIdsOf(turn)).toEqual([`${turn.turnId}.1`, `${turn.turnId}.3`]);
  const [first, unused, last] = await setting.ledger.attempts(turn.turnId);
  expect([first?.state, unused?.state, last?.state]).toEqual(['unconfirmed', 'released', 'settled']);
  expect(last!.reservedNanoUsd - unused!.reservedNanoUsd).toBeGreaterThan(Buffer.byteLength(begun) * 420);
});

test('a turn whose text nobody sees begins anew, with the reservation that it has', async () => {
  const turn: OpenTurnInput = { ...newTurn(), delivery: 'collected' };
  await setting.simulator.queueFaults(primaryModel, [{ kind: 'stall', afterTokens: 8 }]);
  const lost = open(setting.newProcess(), turn);
  lost.catch(() => undefined);
  await eventually('a call began', async () => (await callIdsOf(turn)).length === 1);
  await expect(open(setting.newProcess(), turn)).resolves.toMatchObject({ kind: 'answered' });
  expect(await callIdsOf(turn)).toEqual([`${turn.turnId}.1`, `${turn.turnId}.2`]);
});

const tools = [{ type: 'function', function: { name: 'find_order', parameters: {} } }];

test.each<[string, OpenTurnInput['modelOptions']]>([
  ['JSON', { response_format: { type: 'json_object' } }],
  ['an answer or a call of a tool', { tools }],
])('%s that broke off begins anew: two parts of it make a text that only looks whole', async (_, modelOptions) => {
  const turn: OpenTurnInput = { ...newTurn(), delivery: 'streamed', modelOptions };
  await loseProcess(turn);
  await expect(open(setting.newProcess(), turn)).resolves.toMatchObject({ kind: 'answered' });
  const [first, last] = await promptsOf(turn);
  expect(last).toBe(first);
});

test('text in a format that says so is gone on with', async () => {
  const turn: OpenTurnInput = {
    ...newTurn(),
    delivery: 'streamed',
    modelOptions: { response_format: { type: 'text' } },
  };
  await loseProcess(turn);
  await open(setting.newProcess(), turn);
  const [first, last] = await promptsOf(turn);
  expect(last).toBeGreaterThan(first ?? Infinity);
});

test('refused content is not asked again without the beginning', async () => {
  const turn: OpenTurnInput = { ...newTurn(), delivery: 'streamed' };
  await loseProcess(turn);
  await setting.simulator.queueFaults(primaryModel, [faults.contentFilter()]);
  await expect(open(setting.newProcess(), turn)).resolves.toMatchObject({
    kind: 'admitted',
    firstCall: { kind: 'failed', failure: { kind: 'content-filter' }, retryDelayMs: null },
  });
  expect(await promptsOf(turn)).toHaveLength(2);
});

test('a target that is not to go on begins anew', async () => {
  const target = { provider: 'holysheep', model: primaryModel, name: 'primary', continues: false };
  const configuration = { arms: { holysheep: { targets: [target] } }, defaultArm: 'holysheep' };
  const proud = await prepareSetting({ configuration });
  try {
    const turn: OpenTurnInput = { ...newTurn(), delivery: 'streamed' };
    await proud.simulator.setBehaviour(primaryModel, { prefill: 'other' });
    await proud.simulator.queueFaults(primaryModel, [{ kind: 'cut' }]);
    const process = proud.newProcess();
    await open(process, turn);
    const opened = await open(proud.newProcess(), turn);
    expect(opened).toMatchObject({ kind: 'answered', content: expect.stringMatching(/^Your order/) as string });
    const prompts = (await proud.simulator.calls()).map(({ promptTokens }) => promptTokens);
    expect(prompts[1]).toBe(prompts[0]);
  } finally {
    await proud.stop();
  }
});

test('calls of tools come with the answer, are no text of the stream, and count as what the model said', async () => {
  const turn: OpenTurnInput = {
    ...newTurn('call find_order {"customer":"王小明"}'),
    delivery: 'streamed',
    modelOptions: { tools },
  };
  const price = { input: 1, output: 1 };
  const dear = await prepareSetting({
    configuration: { models: { [primaryModel]: { price, cjkMultiplier: 3 } } },
  });
  try {
    const opened = await open(dear.newProcess(), turn);
    expect(opened).toMatchObject({
      kind: 'answered',
      content: '',
      finishReason: 'tool_calls',
      toolCalls: [{ type: 'function', function: { name: 'find_order', arguments: '{"customer":"王小明"}' } }],
    });
    expect(await dear.streams.pieces(turn.turnId)).toEqual([]);
    const [row] = await dear.ledger.attempts(turn.turnId);
    const [call] = await dear.simulator.calls();
    const plainCost = 1_000 * (call!.promptTokens + call!.completionTokens);
    // The name is in the question and in the call: with either alone the surcharge would be another.
    const cjk = turn.prompt.cjkCharacters + 3;
    const toolCalls = opened.kind === 'answered' ? JSON.stringify(opened.toolCalls?.[0]) : '';
    const characters = turn.prompt.characters + Array.from(toolCalls).length;
    expect(row?.costNanoUsd).toBe(Math.ceil((plainCost * (characters + 2 * cjk)) / characters));
  } finally {
    await dear.stop();
  }
});
