/**
 * Proves docker-compose.yml without Docker: the same servers in the same versions from packages, with the commands,
 * settings, set-up scripts and health checks that the file gives them, on loopback and free ports. What it cannot prove
 * is said at the end. Ends everything it started.
 *
 *     npm run prove:compose
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import envPaths from 'env-paths';
import { readCompose } from './compose-file';
import { configuredAlias, startGateway } from './prove/gateway';
import { buildImage } from './prove/image';
import { proveMetrics } from './prove/metrics';
import { onPath } from './prove/packages';
import { run } from './prove/processes';
import { bringTemporal, setUpSchema, startPostgres, startRedis, startTemporal, startUi } from './prove/servers';
import { askDoctor, proveMigration, proveRefusedByBudget, proveTrailIsSafe } from './prove/migration';
import { configure, setStage, type Stage } from './prove/stage';
import {
  chat,
  decodeForUi,
  readEncryptedPayloads,
  settledAttempts,
  setUp,
  startSimulator,
  startWorker,
  startWorkers,
} from './prove/turns';
import { validateCompose } from './validate-compose';

// npm runs scripts in the package's directory.
const projectDirectory = process.cwd();
const secretWord = 'bellflower';

const startedAtMs = Date.now();

function elapsedSeconds(): number {
  return Math.round((Date.now() - startedAtMs) / 1_000);
}

function proved(what: string): void {
  console.log(`  ✓ ${what} (at ${elapsedSeconds()} s)`);
}

async function proveFile(): Promise<void> {
  console.log('docker-compose.yml');
  const problems = validateCompose(readCompose(projectDirectory), projectDirectory);
  if (problems.length > 0) throw new Error(`docker-compose.yml breaks its promises:\n${problems.join('\n')}`);
  proved('images pinned, no root, health checks, volumes and dependencies declared, nothing published beyond loopback');
}

/** Docker's own opinion, where its compose plugin is installed; it needs no engine. */
async function proveWithDocker(stage: Stage): Promise<boolean> {
  if (onPath('docker') === undefined) return false;
  const environment = { HOME: process.env['HOME'] ?? '/' };
  if ((await run(['docker', 'compose', 'version'], { environment })).status !== 0) return false;
  const { status, output } = await run(
    ['docker', 'compose', '--env-file', join(stage.directory, 'production.env'), '--profile', 'codec', 'config', '-q'],
    { environment, workingDirectory: projectDirectory },
  );
  if (status !== 0) throw new Error(`docker compose does not take the file: ${output}`);
  proved('docker compose reads it');
  return true;
}

async function proveServers(stage: Stage): Promise<void> {
  console.log('Servers');
  await bringTemporal(stage, envPaths('bellwether', { suffix: '' }).cache);
  proved(`${await startPostgres(stage)}, with the roles of deploy/postgres/roles.sql, made twice`);
  await setUpSchema(stage);
  proved("Temporal's two databases, by the compose file's commands, twice");
  await startTemporal(stage);
  proved('Temporal server with deploy/temporal/server.yaml, healthy');
  await startUi(stage);
  proved('Temporal UI, healthy');
  await startRedis(stage);
  proved('Redis, healthy, and closed to clients without its password');
}

async function proveTurns(stage: Stage): Promise<void> {
  console.log('Bellwether');
  const image = await buildImage(projectDirectory, stage.directory, (step) =>
    console.log(`    ${step} (at ${elapsedSeconds()} s)`),
  );
  proved("the Dockerfile's steps, with production dependencies alone");
  await startSimulator(stage, image);
  await configure(stage, ['defaultArm'], 'legacy');
  await configure(stage, ['gateway', 'aliases'], [configuredAlias]);
  proved(`setup and rights, twice: namespace, ledger and ${(await setUp(stage, image)).join(', ')}`);
  const [first = '', ...others] = await startWorkers(stage, image);
  proved(`${others.length + 1} workers, healthy, as a user who owns nothing`);
  proved(`doctor finds nothing wrong: ${await askDoctor(stage, image)}`);
  const migration = await proveMigration(stage, image);
  proved(`a rollout between the arms of the configuration: ${migration.join('; ')}`);
  await proveTrailIsSafe(stage);
  proved('neither worker nor gateway may change the audit trail or drop a table');

  const sessionId = `proof-${randomUUID()}`;
  const answer = await chat(stage, image, sessionId, `Where is order 789456? The word is ${secretWord}.`);
  proved(`a turn end to end: ${answer}`);
  const status = await stage.processes.stop(first);
  if (status !== 0) throw new Error(`A worker that is asked to stop ended with ${status ?? 'SIGKILL'}`);
  proved(`one worker stopped, and the next turn answered: ${await chat(stage, image, sessionId, 'And now?')}`);

  const gateway = await startGateway(stage, image);
  proved(`a gateway, healthy, for an OpenAI client: ${await gateway.plain('Where is order 789456?')}`);
  const pieces = await gateway.streamed('And when does it arrive?');
  // Without Redis between worker and gateway it would be one, at the end.
  if (pieces < 2) throw new Error('The streamed answer came in one piece, so it did not come over Redis');
  proved(`a streamed answer over Redis, in ${pieces} pieces`);
  proved('under a name that the configuration gave the model');
  proved(`Prometheus, healthy, scrapes gateway and workers: ${await proveMetrics(stage, image, others)}`);
  const gatewayStatus = await stage.processes.stop('gateway');
  if (gatewayStatus !== 0) throw new Error(`A gateway that is asked to stop ended with ${gatewayStatus ?? 'SIGKILL'}`);

  const settled = await settledAttempts(stage);
  const turns = migration.length + 4;
  if (settled !== turns) throw new Error(`The ledger holds ${settled} settled attempts for ${turns} turns`);
  proved(`the ledger in PostgreSQL holds all ${turns} turns`);

  const payloads = await readEncryptedPayloads(stage, sessionId, secretWord);
  proved(`no message text in Temporal's history (${payloads.length} encrypted payloads)`);
  const text = await decodeForUi(stage, image, payloads);
  if (!text.includes(secretWord)) throw new Error('The codec endpoint does not show the message');
  proved('the codec endpoint opens them for its token alone');

  await configure(stage, ['budgets', 'dayUsd'], '0.000001');
  for (const name of others) await stage.processes.stop(name);
  await startWorker(stage, image, 'worker-reconfigured');
  await proveRefusedByBudget(stage, image);
  proved('after a restart of the workers, the budget of a changed configuration holds');
}

async function main(): Promise<void> {
  await proveFile();
  const stage = await setStage(projectDirectory);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void stage.processes.stopAll().finally(() => process.exit(1)));
  }
  try {
    const hasDocker = await proveWithDocker(stage);
    await proveServers(stage);
    await proveTurns(stage);
    stage.processes.checkAlive();
    console.log(`Proved in ${elapsedSeconds()} s on ${hostname()}. Not proved here:`);
    if (!hasDocker) console.log('  - that docker compose takes the file (no compose plugin)');
    console.log('  - Grafana, of which only its files are tested (test/deploy/observability.test.ts)');
    console.log('  - the images themselves, capabilities, read-only root, limits, networks and restarts');
    const unpinned = await run([join(projectDirectory, 'deploy/pin-images.sh'), '--check']);
    if (unpinned.status !== 0) {
      const images = unpinned.output.trim().split('\n').join(', ');
      console.log(`  - that a tag is still the same image; deploy/pin-images.sh would pin by digest: ${images}`);
    }
  } catch (error) {
    console.error(`\nNot proved. Logs are in ${stage.directory}`);
    throw error;
  } finally {
    await stage.processes.stopAll();
  }
  await rm(stage.directory, { recursive: true, force: true });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
