import { writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../client';
import { closeAll, closeAllAndThrow, type Closing } from '../../platform/close-all';
import { loadSettings } from '../../config/load-settings';
import { formatDuration } from '../../domain/rollout/clock';
import { defaultRolloutPlan, rolloutPlans } from '../../domain/rollout/plans';
import type { Ledger } from '../../contract/ledger';
import { openLedger } from '../../ledger/open-ledger';
import { makePrivateDirectory } from '../../platform/private-directory';
import { faults, holysheepProfile, legacyProfile } from '../simulator/behaviour';
import type { Reporter } from '../../terminal/reporter';
import { runCommand } from './command';
import type { Narrator } from './narrator';
import { compressionFor, planMs, usualCompression, usualTurnsPerSecond } from './pace';
import { longestStandstillMs, whileMoving, withPatience } from './patience';
import { demoBreakerFailures, type Stage } from './stage';
import { Traffic } from './traffic';

/**
 * Long enough to measure how many turns per second this machine can handle, and for the 10 seconds that `start` makes its
 * forecast of to have their full pace, which takes 3 s: users who come ever faster look as if the same ones came again.
 */
const beforeStart = { durationMs: 12_000, turns: 200 };
/** A tenth of them go to the canary and fill the report. */
const beforeReport = { durationMs: 8_000, turns: 2_000 };
/** Each step is held at most once because the plan's time ended before there was enough evidence. */
const maxResumes = rolloutPlans[defaultRolloutPlan].steps.length;
const taskQueue = 'demo-migration';
const hourMs = 60 * 60 * 1_000;

/**
 * Timeouts are compressed as well, to 2 s. On an overloaded machine, answers themselves take that long and would count
 * as the providers' timeouts.
 */
function compressedTimeoutMs(): number {
  const [runningPrograms = 0] = loadavg();
  return runningPrograms > 2 * availableParallelism() ? 6_000 : 2_000;
}

/** The arms of the migration, and two more candidates, at half the price. */
const configurationWith = (baseTimeoutMs: number): string => `defaultArm: legacy
models:
  bargain-chat: { price: '0.20' }
  brittle-chat: { price: '0.20' }
arms:
  bargain:
    targets:
      - { name: bargain-primary, provider: holysheep, model: bargain-chat, usualLatencyMs: 180 }
  brittle:
    targets:
      - { name: brittle-primary, provider: holysheep, model: brittle-chat, usualLatencyMs: 180 }
retry: { baseTimeoutMs: ${baseTimeoutMs}, timeoutJitterMs: 0 }
breaker: { failures: ${demoBreakerFailures} }
`;

/**
 * The plan of 72 hours with what a minute of traffic can show: α is 0.001 by default, the minimum 99%, and each step takes
 * 1,000 users. The candidates' markets are English and Chinese.
 */
const rolloutFile = `interval: 1h
warm: 2h
languages: [zh]
gates: { alpha: 0.01, minimumSuccessRate: 98%, breachSuccessRate: 96%, minimumStepRequests: 100 }
steps:
${rolloutPlans[defaultRolloutPlan].steps
  .map(
    ({ percent, nominalEndMs, minimumBakeMs }) =>
      `  - { percent: ${percent}, nominalEnd: ${nominalEndMs / hourMs}h, minimumBake: ${minimumBakeMs / hourMs}h, minimumUsers: 100 }`,
  )
  .join('\n')}
`;

/**
 * Plays the guide's migration, then a candidate that must be held for its answers and one that must be rolled back for its
 * failures. Throws if one of them does not end as expected.
 */
export async function playMigration(stage: Stage, narrator: Narrator, report: Reporter): Promise<void> {
  const closings: Closing[] = [];
  try {
    await playScenes(await setMigration(stage, report, closings), narrator, report);
  } catch (error) {
    return closeAllAndThrow(error, closings);
  }
  await closeAll(closings);
}

/** What the migration's scenes need. */
interface Migration {
  /** Aborted when the demonstration ends early. */
  readonly signal: AbortSignal;
  readonly ledger: Ledger;
  readonly traffic: Traffic;
  readonly timeoutMs: number;
  readonly statuses: Stage['commandLine']['watchStatus'];
  /** Runs `bellwether rollout` with these words; returns its exit status. */
  rollout(words: readonly string[]): Promise<number>;
}

/** Registers each part in `closings` as soon as it is open. */
async function setMigration(stage: Stage, report: Reporter, closings: Closing[]): Promise<Migration> {
  const { simulator, signal } = stage;
  const { program, watchStatus: statuses } = stage.commandLine;
  const workingDirectory = join(stage.dataDirectory, 'migration');
  const environment = migrationEnvironment(stage, workingDirectory);
  for (const [model, behaviour] of Object.entries({ ...holysheepProfile, ...legacyProfile })) {
    await simulator.setBehaviour(model, behaviour);
  }
  const { latency } = holysheepProfile['deepseek-v3.2'] ?? {};
  await simulator.setBehaviour('bargain-chat', {
    latency,
    poorAnswers: [
      { kind: 'wrong-language', language: 'zh', probability: 0.5 },
      { kind: 'empty', probability: 0.02 },
    ],
  });
  await simulator.setBehaviour('brittle-chat', {
    latency,
    randomFaults: [{ fault: faults.serverError(500), probability: 0.2 }],
  });

  const starting = stage.startWorker(environment);
  await withPatience(report, 'starting a worker for the migration', starting, ({ pid }) => `worker ${pid} runs`);
  const settings = loadSettings({ environment, workingDirectory });
  // This one process handles hundreds of turns per second and would spend most of its time waiting for the disk.
  const ledger = await openLedger({ ...settings, survivesPowerLoss: false });
  closings.push(() => ledger.close());
  const { address } = stage.server;
  const client = await connect({
    temporal: { address, namespace: 'default', taskQueue, connectionOptions: { address } },
    encryption: null,
    connectTimeoutMs: longestStandstillMs,
  });
  const traffic = Traffic.start(settings, ledger, client, (error) => stage.lose(error));
  closings.push(() => traffic.stop());
  const rollout = (words: readonly string[]): Promise<number> =>
    runCommand({ program, words: ['rollout', ...words], environment, workingDirectory, signal });
  const timeoutMs = settings.policy.retry.baseTimeoutMs;
  return { signal, ledger, traffic, timeoutMs, statuses, rollout };
}

async function playScenes(migration: Migration, narrator: Narrator, report: Reporter): Promise<void> {
  const { ledger, traffic, statuses } = migration;
  const command = async (words: readonly string[], ...expected: readonly number[]): Promise<number> => {
    narrator.command(words);
    const status = await whileMoving(migration.rollout(words), {
      'turns of the users': () => traffic.turns,
      'decisions of the rollout': async () => (await ledger.rollouts.lastAuditRow())?.position,
    });
    if (expected.includes(status)) return status;
    throw new Error(
      `The demonstration did not show what it promised: \`bellwether rollout ${words[0]}\` ended with ${status}, not ${expected.join(' or ')}. Its output above says why.`,
    );
  };

  narrator.scene(
    'The migration: 72 hours in 60 seconds',
    '50,000 users chat over real HTTP with two simulated providers: legacy (420 ms, 15% timeouts, three times the price',
    'for Chinese) and holysheep (180 ms, 0.3% timeouts). Each user stays on one side; who goes first is decided by a hash.',
    `An hour passes in 833 ms and a timeout takes ${migration.timeoutMs / 1_000} s instead of 10. So that a minute of traffic can decide, α is 0.01`,
    'instead of 0.001 and the canary must be better than 98% instead of 99%.',
  );
  const turnsPerSecond = await gather(migration, beforeStart, report);
  const compression = compressionFor(turnsPerSecond);
  tellCompression(compression, turnsPerSecond, narrator);
  const plan = ['--compress', `${compression}`, '--spec', 'rollout.yaml'];
  await command(['start', ...plan], 0);
  await gather(migration, beforeReport, report);
  await command(['report', '--json'], 0);
  for (let resumes = 0; ; resumes += 1) {
    const mayBeHeld = resumes < maxResumes ? [statuses.pausedOrHeld] : [];
    if ((await command(['watch'], statuses.promoted, ...mayBeHeld)) === statuses.promoted) break;
    // On a machine that slows down, or with bad luck, the plan ends before there is enough evidence: an operator
    // decides.
    await command(['resume', '--reason', 'there was too little traffic to decide, gather more'], 0);
  }
  await command(['report'], 0);
  await command(['history'], 0);
  await withPatience(
    report,
    '   the old provider is kept warm',
    untilEnded(migration),
    () => '   the rollout has ended',
  );

  narrator.scene(
    'A second candidate, at half the price: it answers 200 every time, but half of its Chinese answers are in English',
    'A few are empty, too. Who counts status codes, latency and cost would promote it. Bellwether also looks at the answers.',
  );
  await command(['start', '--from', 'holysheep', '--to', 'bargain', ...plan], 0);
  await command(['watch'], statuses.pausedOrHeld);
  narrator.say(
    '   Held: of the users who ask in Chinese, about half were answered in English, and none of the other arm were. Each market counts',
    '   by itself, so the finding names it (zh). The step does not advance; an operator looks at it, and sends everybody back.',
  );
  await command(['rollback', '--reason', 'it answers Chinese in English'], 0);

  narrator.scene(
    'A third candidate, which fails every fifth time',
    'No operator intervenes: the evidence rolls it back.',
  );
  await command(['start', '--from', 'holysheep', '--to', 'brittle', ...plan], 0);
  await command(['watch', '--wait'], statuses.rolledBack);
  await command(['verify'], 0);
  narrator.say(`   ${traffic.turns} turns were admitted, called and recorded in the meantime.`);
}

function migrationEnvironment({ environment }: Stage, directory: string): NodeJS.ProcessEnv {
  makePrivateDirectory(directory);
  const configFile = join(directory, 'bellwether.config.yaml');
  writeFileSync(configFile, configurationWith(compressedTimeoutMs()));
  writeFileSync(join(directory, 'rollout.yaml'), rolloutFile);
  return {
    ...environment,
    LEGACY_BASE_URL: environment['HOLYSHEEP_BASE_URL'],
    LEGACY_API_KEY: 'simulated',
    BELLWETHER_DATA_DIR: directory,
    BELLWETHER_CONFIG: configFile,
    BELLWETHER_TASK_QUEUE: taskQueue,
  };
}

/** Waits for at least this many turns and this much time. Returns the turns per second of the second half. */
async function gather(
  { traffic, signal }: Migration,
  { durationMs, turns }: { readonly durationMs: number; readonly turns: number },
  report: Reporter,
): Promise<number> {
  const task = report.begin('   users are chatting');
  const enough = async (least: number, ms: number): Promise<number> => {
    const startedAtMs = performance.now();
    const before = traffic.turns;
    const passedMs = (): number => performance.now() - startedAtMs;
    while (passedMs() < ms || traffic.turns - before < least) {
      await delay(500, undefined, { signal });
      task.progress(`${traffic.turns} turns`);
    }
    return ((traffic.turns - before) * 1_000) / passedMs();
  };
  const halves = enough(turns / 2, durationMs / 2).then(() => enough(turns / 2, durationMs / 2));
  const turnsPerSecond = await whileMoving(halves, { 'turns of the users': () => traffic.turns });
  task.succeed(`   ${traffic.turns} turns so far`);
  return turnsPerSecond;
}

function tellCompression(compression: number, turnsPerSecond: number, narrator: Narrator): void {
  if (compression === usualCompression) return;
  narrator.say(
    `   This machine is slow or busy: it handles ${Math.round(turnsPerSecond)} turns per second, but deciding within a minute takes ${usualTurnsPerSecond}.`,
    `   To gather the same evidence, the 72 hours take ${formatDuration(planMs / compression)} here.`,
  );
}

/** The next rollout can begin when this one has ended. */
async function untilEnded({ ledger, signal }: Migration): Promise<void> {
  while ((await ledger.rollouts.split())?.active) await delay(200, undefined, { signal });
}
