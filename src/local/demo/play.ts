import { setTimeout as delay } from 'node:timers/promises';
import type { ChatReply } from '../../client';
import { closeAll, type Closing } from '../../platform/close-all';
import type { Settings } from '../../config/settings';
import { shellQuoted } from '../../config/environment';
import { faults } from '../simulator/behaviour';
import type { Reporter } from '../../terminal/reporter';
import { runCommand } from './command';
import { playMigration } from './migration';
import { Narrator } from './narrator';
import { withPatience } from './patience';
import { demoSessionBudgetUsd, setStage, type CommandLine, type Stage } from './stage';
import type { WorkerProcess } from './worker-process';

const primary = 'deepseek-v3.2';
const fallback = 'gemini-2.5-flash';

/** More than the session's budget can pay for. */
const maxPages = 10;

interface Demonstration {
  readonly settings: Settings;
  readonly commandLine: CommandLine;
  readonly report: Reporter;
  /** Resolves when the reader has seen enough. */
  readonly stopped: Promise<unknown>;
}

/**
 * Plays the demonstration, or as much of it as the reader wants. When it returns, all processes that it started have
 * ended.
 * @throws if a scene does not show what it promises, or a part is lost
 */
export async function demonstrate({ stopped, report, ...given }: Demonstration): Promise<'shown' | 'stopped'> {
  const ending = new AbortController();
  const closings: Closing[] = [];
  const endedEarly = new Promise<never>((_, reject) => {
    ending.signal.addEventListener('abort', () => reject(ending.signal.reason as Error), { once: true });
  });
  const noMore = new Error('The reader has seen enough.');
  void stopped.then(() => ending.abort(noMore));
  try {
    const playing = setStage({ ...given, report, ending, closings }).then((stage) => play(stage, report));
    await Promise.race([playing, endedEarly]);
  } catch (error) {
    ending.abort(error);
    // Report only the first failure.
    await closeAll(closings).catch(() => undefined);
    if (ending.signal.reason === noMore) return 'stopped';
    throw error;
  }
  await closeAll(closings);
  return 'shown';
}

/** Plays the scenes one after another. Throws if one of them does not show what it promises. */
async function play(stage: Stage, report: Reporter): Promise<void> {
  const narrator = new Narrator(stage, report);
  const starting = stage.startWorker();
  const firstWorker = await withPatience(report, 'starting a worker', starting, ({ pid }) => `worker ${pid} runs`);
  await conversation(narrator);
  await slowPrimary(stage, narrator);
  await deadPrimary(stage, narrator);
  await everythingDown(stage, narrator);
  await spentSession(narrator);
  await killedWorker(stage, narrator, firstWorker);
  await costs(stage, narrator);
  await playMigration(stage, narrator, report);
  whereToLook(stage, narrator);
}

async function conversation(narrator: Narrator): Promise<void> {
  narrator.scene('A conversation, in English and Chinese', 'Each turn is an update of one Temporal workflow.');
  const session = { sessionId: 'demo-conversation', userId: 'customer-12345' };
  expect(await narrator.send({ ...session, content: 'How do I track my order #ORD-789456?' }), answered);
  expect(await narrator.send({ ...session, content: '谢谢！可以改送货地址吗？' }), answered);
}

async function slowPrimary({ simulator }: Stage, narrator: Narrator): Promise<void> {
  narrator.scene(
    'The primary model goes silent once',
    'The first attempt may take 10 to 11 s, a second one would have 20 to 21 s. No operator has to intervene.',
  );
  await simulator.queueFaults(primary, [{ kind: 'silence' }]);
  const reply = await narrator.send(
    { sessionId: 'demo-timeout', content: 'Do you ship to Vietnam?' },
    'the provider is silent',
  );
  expect(reply, (it) => it.success && it.attempts >= 2);
}

async function deadPrimary({ simulator }: Stage, narrator: Narrator): Promise<void> {
  narrator.scene('The primary model is down', `Three attempts, 1 and 2 s apart, then ${fallback} takes over.`);
  await simulator.setBehaviour(primary, { alwaysFault: faults.serverError(503) });
  const reply = await narrator.send(
    { sessionId: 'demo-fallback', content: 'Can I return an opened item?' },
    'the primary answers 503',
  );
  expect(reply, (it) => it.success && it.provider === 'holysheep-fallback' && it.attempts >= 4);
}

async function everythingDown({ simulator }: Stage, narrator: Narrator): Promise<void> {
  narrator.scene('Every model is down', 'The user gets an honest answer in the language of the question.');
  await simulator.setBehaviour(fallback, { alwaysFault: faults.serverError(503) });
  const reply = await narrator.send(
    { sessionId: 'demo-degraded', content: '我的退款什么时候到账？' },
    'all models answer 503',
  );
  expect(reply, (it) => !it.success && it.provider === 'degraded-mode' && it.cost_usd === 0);
  await simulator.setBehaviour('*', { alwaysFault: null });
}

async function spentSession(narrator: Narrator): Promise<void> {
  narrator.scene(
    'A session reaches its limit',
    `The limit is $0.50; for this demonstration it is $${demoSessionBudgetUsd}. The worst-case cost of a turn is reserved first,`,
    'so that the limit holds at every instant, however many turns run at once.',
  );
  const order = 'One blue shirt, size M, delivered. ';
  let reply: ChatReply;
  let pages = 0;
  do {
    pages += 1;
    const content = `Page ${pages} of my order history, please keep it in mind: ${order.repeat(120)}`;
    reply = await narrator.send({ sessionId: 'demo-budget', content });
  } while (!reply.blocked && pages < maxPages);
  expect(reply, (it) => it.blocked && it.error === 'Session spending limit reached');
}

async function killedWorker(stage: Stage, narrator: Narrator, worker: WorkerProcess): Promise<void> {
  narrator.scene(
    'A worker is killed in the middle of a turn',
    'The model is silent when its caller dies. Temporal notices the dead worker when its workflow task times out, 10 s after',
    'it began; then another worker repeats the call. The ledger keeps the first call at its worst-case cost.',
  );
  const { simulator } = stage;
  await simulator.clearCalls();
  // A call of a fixed length might be over before a slow machine has killed its worker.
  await simulator.queueFaults(primary, [{ kind: 'silence' }]);
  const turn = narrator.send(
    { sessionId: 'demo-killed-worker', content: 'Is my parcel insured?' },
    `worker ${worker.pid} made the call and gets SIGKILL`,
  );
  const replaceWorker = async (): Promise<void> => {
    await untilCalled(stage);
    await worker.kill();
    await stage.startWorker();
  };
  const [reply] = await Promise.all([turn, replaceWorker()]);
  expect(reply, answered);
}

async function untilCalled({ simulator, signal }: Stage): Promise<void> {
  while ((await simulator.calls()).length === 0) await delay(50, undefined, { signal });
}

async function costs(stage: Stage, narrator: Narrator): Promise<void> {
  narrator.scene(
    'What it all cost',
    'From the ledger, with `bellwether costs`. Unconfirmed: attempts that may or may not have been charged.',
  );
  const { environment, dataDirectory, commandLine, signal } = stage;
  const words = ['costs', '--by', 'model'];
  const status = await runCommand({ ...commandLine, words, environment, workingDirectory: dataDirectory, signal });
  if (status !== 0) throw new Error(`The costs were not shown: \`bellwether costs\` ended with ${status}.`);
}

function whereToLook({ dataDirectory }: Stage, narrator: Narrator): void {
  narrator.scene(
    'Where to look',
    'The demonstration stops its server; its data remains. To see every turn in the Temporal UI:',
  );
  narrator.say(
    `   BELLWETHER_DATA_DIR=${shellQuoted(dataDirectory)} npx bellwether up`,
    '   then open its link to the Temporal UI: "demo-killed-worker" shows the task that timed out, "demo-fallback" the retries.',
    '   Current details of each conversation list its turns with provider, attempts, tokens and cost.',
  );
}

function answered(reply: ChatReply): boolean {
  return reply.success;
}

function expect(reply: ChatReply, holds: (reply: ChatReply) => boolean): void {
  if (!holds(reply)) throw new Error(`The demonstration did not show what it promised: ${JSON.stringify(reply)}`);
}
