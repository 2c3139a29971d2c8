/** A migration from Anthropic's own API to an OpenAI-compatible provider, with conversations that are under way. */
import { userBucket } from '../../src/activities/user-bucket';
import { RolloutClient } from '../../src/client/rollout-client';
import { rolloutWorkflowId } from '../../src/contract/names';
import type { Spending } from '../../src/contract/rollout-ledger';
import { billNanoUsd } from '../../src/domain/rollout/migration-report';
import { sendEverybodyBack } from '../../src/operator/emergency';
import { findAuditProblem, readAudit } from '../../src/operator/audit-chain';
import { type GatewayService, startGatewayService } from '../gateway/gateway-service';
import { anthropicWire } from '../providers/native/anthropic-wire';
import { chatWire } from '../providers/native/chat-wire';
import { eventually } from '../support/eventually';
import { rolloutResult } from '../support/rollout-result';
import { shortRolloutSpec } from '../support/rollout-spec';
import { Chat, newImage } from './migration/chat';
import { hearAnthropic, signatureOf } from './migration/hear-anthropic';
import { hearChat } from './migration/hear-chat';
import { type LoggedCall, type Side, startSide } from './migration/model';

/** US dollars per million tokens. */
const prices = {
  claude: { input: 3, output: 15, cachedInput: 0.3, cacheWrite: 3.75 },
  open: { input: 0.28, output: 0.42, cachedInput: 0.028 },
};
const apiKeys = { claude: 'sk-ant-0f4b', open: 'sk-open-77c1' };

let claude: Side;
let open: Side;
let setting: GatewayService;
let rollouts: RolloutClient;
beforeAll(async () => {
  const hear = { hear: hearAnthropic, signatureOf };
  claude = await startSide({ format: anthropicWire, apiKey: apiKeys.claude, callPrefix: 'toolu_', ...hear });
  open = await startSide({ format: chatWire, apiKey: apiKeys.open, callPrefix: 'call_', hear: hearChat });
  setting = await startGatewayService({
    environment: { CLAUDE_API_KEY: apiKeys.claude, OPEN_API_KEY: apiKeys.open },
    configuration: {
      providers: {
        claude: { kind: 'anthropic', baseUrl: claude.baseUrl, apiKeyEnv: 'CLAUDE_API_KEY' },
        open: { baseUrl: open.baseUrl, apiKeyEnv: 'OPEN_API_KEY' },
      },
      models: {
        [anthropicWire.model]: { price: prices.claude },
        [chatWire.model]: { price: prices.open },
      },
      arms: {
        claude: { targets: [{ name: 'claude-primary', provider: 'claude', model: anthropicWire.model }] },
        open: { targets: [{ name: 'open-primary', provider: 'open', model: chatWire.model }] },
      },
      defaultArm: 'claude',
      retry: { baseDelayMs: 0, delayJitterMs: 0, baseTimeoutMs: 60_000 },
    },
  });
  const { temporal, settings } = setting.service;
  rollouts = new RolloutClient(temporal, settings.temporal.taskQueue);
});
// Shown beside whatever else failed because of them.
afterEach(() => expect({ claude: claude.refusals, open: open.refusals }).toEqual({ claude: [], open: [] }));
afterAll(async () => {
  await setting.stop();
  await Promise.all([claude.close(), open.close()]);
});

/** Of two steps, decided by the evidence of a few users. */
function migration() {
  const spec = shortRolloutSpec({ baselineArm: 'claude', canaryArm: 'open', rule: 2 });
  return {
    ...spec,
    steps: [
      { percent: 20, nominalEndMs: 1_000, minimumBakeMs: 500 },
      { percent: 60, nominalEndMs: 10_000, minimumBakeMs: 4_000 },
    ],
    gates: { ...spec.gates, userWindowMs: 200, longestCallMs: 2_000 },
  };
}

/** Users by the step of the migration that moves them. */
const movedAt = [20, 60, 100].map((percent, index, percents) => {
  const after = percents[index - 1] ?? 0;
  const names = Array.from({ length: 200 }, (_, number) => `moving-${number}`);
  return {
    percent,
    users: names.filter((name) => userBucket(name) > after && userBucket(name) <= percent).slice(0, 2),
  };
});

/** Of every kind of conversation, whole. */
const conversations: readonly ((userId: string) => Promise<Chat>)[] = [
  async (userId) => {
    const chat = new Chat(setting, { userId, inSession: false, streamed: false });
    await chat.askForTools('two orders');
    await chat.sendResults();
    return chat;
  },
  async (userId) => {
    const chat = new Chat(setting, { userId, inSession: true, streamed: true });
    await chat.askForTools('an order', newImage());
    await chat.sendResults();
    return chat;
  },
  async (userId) => {
    const chat = new Chat(setting, { userId, inSession: true, streamed: false });
    await chat.ask('What is it?', newImage(), newImage());
    await chat.ask('And this?', newImage());
    return chat;
  },
  async (userId) => {
    const chat = new Chat(setting, { userId, inSession: false, streamed: true });
    await chat.ask('What is it?', newImage());
    return chat;
  },
];

let visited = 0;

/** Users who come and go, four at a time, until it is over. */
async function visitors(isOver: () => Promise<boolean>): Promise<Chat[]> {
  const chats: Chat[] = [];
  const over = new AbortController();
  const visit = async (): Promise<void> => {
    while (!over.signal.aborted) {
      const number = visited++;
      const talk = conversations[number % conversations.length];
      if (talk) chats.push(await talk(`visitor-${number}`));
    }
  };
  const watch = eventually('the next step', isOver, 60_000).finally(() => over.abort());
  await Promise.all([watch, visit(), visit(), visit(), visit()]);
  return chats;
}

const percentNow = async () => (await setting.service.ledger.rollouts.split())?.percent ?? 0;

/** On a slow machine the plan ends before there is enough evidence; an operator gives it more time. */
async function resumeIfHeld(name: string): Promise<void> {
  const { state } = await rollouts.status(name);
  if (state.phase !== 'Held') return;
  process.stdout.write(`Held: ${state.message}\n`);
  await rollouts.command(name, 'resume', { actor: 'ann', reason: 'there was too little traffic' });
}

/** What the provider's own log says the calls cost, in nano-dollars. */
function invoiceOf(calls: readonly LoggedCall[], price: (typeof prices)['claude']): number {
  const nano = (dollars: number, tokens: number) => Math.round(dollars * 1_000) * tokens;
  return calls.reduce((sum, { usage }) => {
    if (usage === null) return sum;
    const { freshTokens, cacheReadTokens, cacheWriteTokens, outputTokens } = usage;
    const prompt =
      nano(price.input, freshTokens) +
      nano(price.cachedInput, cacheReadTokens) +
      nano(price.cacheWrite, cacheWriteTokens);
    return sum + prompt + nano(price.output, outputTokens);
  }, 0);
}

/** Otherwise, nothing would be shown by what went well. */
function expectEverythingWasTried(): void {
  for (const { calls } of [claude, open]) {
    expect(calls.some(({ usage }) => (usage?.cacheReadTokens ?? 0) > 0)).toBe(true);
    expect(calls.some(({ usage }) => (usage?.cacheWriteTokens ?? 0) > 0)).toBe(true);
    expect(calls.some(({ heard }) => heard?.thinks === true && heard.results.length > 0)).toBe(true);
  }
  const hearsCallsOf = (side: Side, prefix: string) =>
    side.calls.some(({ heard }) => heard?.results.length !== 0 && heard?.callIds.at(-1)?.startsWith(prefix));
  expect([hearsCallsOf(open, 'toolu_'), hearsCallsOf(claude, 'call_')]).toEqual([true, true]);
  expect(claude.calls.filter(({ usage }) => usage === null)).toHaveLength(1);
}

test('conversations with tools and images move from Claude to another provider and back, and the ledger has what both charge', async () => {
  const moving = movedAt.flatMap(({ percent, users }) =>
    users.map((userId, index) => ({
      percent,
      chat: new Chat(setting, { userId, inSession: index === 0, streamed: index === 0 }),
    })),
  );
  const all: Chat[] = moving.map(({ chat }) => chat);
  const step = (act: (chat: Chat) => Promise<void>) => Promise.all(moving.map(({ chat }) => act(chat)));
  const armsNow = () => moving.map(({ chat }) => chat.arms.at(-1));
  const expectedAt = (percent: number) => moving.map((one) => (one.percent <= percent ? 'open' : 'claude'));

  await step((chat) => chat.askForTools('two orders', newImage()));
  expect(armsNow()).toEqual(expectedAt(0));
  claude.fail({ kind: 'error', error: 'overloaded' });
  for (const [index, talk] of conversations.entries()) all.push(await talk(`early-${index}`));

  const spec = migration();
  await rollouts.start(spec);
  for (const percent of [20, 60, 100]) {
    await eventually(`${percent}%`, async () => (await percentNow()) >= percent, 30_000);
    expect(await percentNow()).toBe(percent);
    // Calls of one side, results for the other, and again: the tools take their time.
    await step((chat) => chat.sendNothingYet());
    expect(armsNow()).toEqual(expectedAt(percent));
    if (percent < 100) {
      const isPassed = async () => {
        await resumeIfHeld(spec.name);
        return (await percentNow()) > percent;
      };
      all.push(...(await visitors(isPassed)));
    }
  }
  await step((chat) => chat.sendResults());
  await step((chat) => chat.askForTools('another order', newImage()));
  for (const [index, talk] of conversations.entries()) all.push(await talk(`late-${index}`));
  const result = await rolloutResult(setting.service.temporal.workflow.getHandle(rolloutWorkflowId(spec.name)));
  expect(result).toMatchObject({
    phase: 'Succeeded',
    reached: [{ percent: 20 }, { percent: 60 }, { percent: 100 }],
  });

  const { ledger } = setting.service;
  await sendEverybodyBack(ledger.rollouts, { actor: 'ann', reason: 'practice' }, async () => {
    throw new Error('The rollout has ended.');
  });
  await step((chat) => chat.sendNothingYet());
  expect(armsNow()).toEqual(expectedAt(0));
  await step((chat) => chat.sendResults());

  const rows = await ledger.attempts();
  for (const [arm, side] of [
    ['claude', claude],
    ['open', open],
  ] as const) {
    const ofArm = rows.filter((row) => row.arm === arm);
    const requestIds = (ids: readonly string[]) => [...ids].toSorted();
    expect(requestIds(ofArm.map((row) => `${row.turnId}.${row.attempt}`))).toEqual(
      requestIds(side.calls.map(({ requestId }) => requestId)),
    );
    expect(ofArm.filter(({ state }) => state === 'settled')).toHaveLength(
      side.calls.filter(({ usage }) => usage !== null).length,
    );
    // Unless it is given, a write to a cache costs what the input costs.
    const price = { cacheWrite: prices[arm].input, ...prices[arm] };
    const costNanoUsd = invoiceOf(side.calls, price);
    expect(ofArm.reduce((sum, row) => sum + row.costNanoUsd, 0)).toBe(costNanoUsd);
    // Reports compare by the tokens, as a bill would.
    const { price: configured } = setting.service.settings.policy.arms[arm]!.targets[0]!;
    const usedBy = (spending: readonly Spending[]) => spending.filter((row) => row.arm === arm);
    expect(billNanoUsd(configured, usedBy(await ledger.volume()), 0)).toBe(costNanoUsd);
    const inRollout = usedBy(await ledger.rollouts.spending(spec.name));
    expect(inRollout).toHaveLength(1);
    expect(billNanoUsd(configured, inRollout, 0)).toBe(inRollout[0]?.costNanoUsd);
  }
  const turnIds = all.flatMap((chat) => chat.turnIds);
  expect([...turnIds].toSorted()).toEqual([...new Set(rows.map(({ turnId }) => turnId))].toSorted());
  expectEverythingWasTried();
  expect(findAuditProblem(await readAudit(ledger.rollouts), {})?.problem ?? null).toBeNull();
}, 120_000);
