import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../client';
import { closeAll, closeAllAndThrow, type Closing } from '../../platform/close-all';
import { loadSettings } from '../../config/load-settings';
import type { Ledger } from '../../contract/ledger';
import { openLedger } from '../../ledger/open-ledger';
import { makePrivateDirectory } from '../../platform/private-directory';
import { faults, holysheepProfile, legacyProfile } from '../simulator/behaviour';
import type { Reporter } from '../../terminal/reporter';
import { runCommand } from './command';
import type { Narrator } from './narrator';
import { demoBreakerFailures, type Stage } from './stage';
import { startWorkerProcess } from './worker-process';
import { Traffic } from './traffic';

/** What `rollout watch` ends with when the rollout waits for an operator; its help says so. */
const pausedOrHeld = 3;

/** 72 hours in 60 seconds: an hour is 833 ms. */
const compression = 4_320;
const beforeStartMs = 6_000;
const beforeReportMs = 8_000;
const warmAtMostMs = 20_000;
const maxResumes = 3;
const taskQueue = 'demo-migration';

/** Arms of the migration, and a third one that sounds too good. A timeout takes 2 s, so that it is compressed as well. */
const configuration = `defaultArm: legacy
models:
  bargain-chat: { price: '0.20' }
arms:
  bargain:
    targets:
      - { name: bargain-primary, provider: holysheep, model: bargain-chat, usualLatencyMs: 180 }
retry: { baseTimeoutMs: 2000, timeoutJitterMs: 0 }
breaker: { failures: ${demoBreakerFailures} }
`;

/** α is 0.001 by default; a minute of traffic decides at 0.01. */
const rolloutFile = `interval: 1h
warm: 2h
gates: { alpha: 0.01 }
`;

/** The guide's migration, and a candidate that must not get through. Throws when one does not end as it should. */
export async function playMigration(stage: Stage, narrator: Narrator, report: Reporter): Promise<void> {
  const closings: Closing[] = [];
  try {
    await playScenes(stage, narrator, report, closings);
  } catch (error) {
    return closeAllAndThrow(error, closings);
  }
  await closeAll(closings);
}

/** Adds how to close each part as soon as it is open. */
async function playScenes(stage: Stage, narrator: Narrator, report: Reporter, closings: Closing[]): Promise<void> {
  const { simulator } = stage;
  const directory = join(stage.dataDirectory, 'migration');
  const environment = migrationEnvironment(stage, directory);
  for (const [model, behaviour] of Object.entries({ ...holysheepProfile, ...legacyProfile })) {
    await simulator.setBehaviour(model, behaviour);
  }
  const { latency } = holysheepProfile['deepseek-v3.2'] ?? {};
  await simulator.setBehaviour('bargain-chat', {
    latency,
    randomFaults: [{ fault: faults.serverError(500), probability: 0.2 }],
  });

  const worker = await startWorkerProcess(environment);
  closings.push(() => worker.stop());
  const { address } = stage.server;
  const client = await connect({
    temporal: { address, namespace: 'default', taskQueue, connectionOptions: { address } },
    encryption: null,
  });
  closings.push(() => client.disconnect());
  const settings = loadSettings({ environment, workingDirectory: directory });
  const command = (words: readonly string[]): Promise<number> => {
    narrator.command(words);
    return runCommand(words, environment, directory);
  };
  // Hundreds of turns a second in this one process, which would spend most of its time waiting for the disk.
  const ledger = await openLedger({ ...settings, survivesPowerLoss: false });
  closings.push(() => ledger.close());

  narrator.scene(
    'The migration: 72 hours in 60 seconds',
    '1,000 users chat over real HTTP with two simulated providers: legacy (420 ms, 15% timeouts, three times the price',
    'for Chinese) and holysheep (180 ms, 0.3% timeouts). Each user stays on one side; who goes first is decided by a hash.',
    'An hour passes in 833 ms, a timeout takes 2 s instead of 10, and α is 0.01 instead of 0.001.',
  );
  const traffic = Traffic.start(settings, ledger, client);
  closings.push(() => traffic.stop());
  await gather(traffic, beforeStartMs, report);
  expectStatus(0, await command(['start', '--compress', `${compression}`, '--spec', 'rollout.yaml']));
  await gather(traffic, beforeReportMs, report);
  expectStatus(0, await command(['report', '--json']));
  expectStatus(0, await command(['report']));
  await watchToTheEnd(command, traffic);
  expectStatus(0, await command(['history']));
  await warmTimeIsOver(ledger);

  narrator.scene(
    'A second candidate, at half the price, which fails every fifth time',
    'Nobody is at the keyboard: the evidence rolls it back.',
  );
  const words = ['start', '--from', 'holysheep', '--to', 'bargain'];
  expectStatus(0, await command([...words, '--compress', `${compression}`, '--spec', 'rollout.yaml']));
  expectStatus(1, await command(['watch', '--wait', '--timeout', '60s']));
  expectStatus(0, await command(['verify']));
  narrator.say(`   ${traffic.turns} turns were admitted, called and recorded meanwhile.`);
}

function migrationEnvironment({ environment }: Stage, directory: string): NodeJS.ProcessEnv {
  makePrivateDirectory(directory);
  const configFile = join(directory, 'bellwether.config.yaml');
  writeFileSync(configFile, configuration);
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

async function gather(traffic: Traffic, durationMs: number, report: Reporter): Promise<void> {
  const task = report.begin('   1,000 users are chatting');
  const endAtMs = Date.now() + durationMs;
  while (Date.now() < endAtMs) {
    await delay(500);
    task.progress(`${traffic.turns} turns`);
  }
  task.succeed(`   ${traffic.turns} turns so far`);
}

/** On a slow machine, or with bad luck, the plan's minute is over before the evidence is there: then an operator decides. */
async function watchToTheEnd(command: (words: readonly string[]) => Promise<number>, traffic: Traffic): Promise<void> {
  let status = await command(['watch', '--timeout', '90s']);
  for (let resumes = 0; status === pausedOrHeld && resumes < maxResumes; resumes += 1) {
    expectStatus(0, await command(['resume', '--reason', 'a minute of traffic was too little, gather more']));
    status = await command(['watch', '--timeout', '30s']);
  }
  if (status === pausedOrHeld) {
    throw new Error(
      `The migration is still held after ${maxResumes} resumptions. If the last analysis says that requests are missing, this machine is too slow or too busy: it carried ${Math.round(traffic.turnsPerSecond)} turns a second, and a minute of them decides from some 250 a second on. Run the demonstration again when less else is running.`,
    );
  }
  expectStatus(0, status);
}

/** The next rollout can begin when this one has ended. */
async function warmTimeIsOver({ rollouts }: Ledger): Promise<void> {
  const giveUpAtMs = Date.now() + warmAtMostMs;
  while ((await rollouts.split())?.active) {
    if (Date.now() > giveUpAtMs) throw new Error('The rollout did not end after its warm time.');
    await delay(200);
  }
}

function expectStatus(expected: number, actual: number): void {
  if (actual !== expected) {
    throw new Error(
      `The demonstration did not show what it promised: a command ended with ${actual}, not ${expected}.`,
    );
  }
}
