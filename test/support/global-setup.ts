import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { searchAttributeNames } from '../../src/contract/names';
import { devServerTuning, startDevServer } from '../../src/temporal-server/dev-server';
import { ensureTemporalBinary } from '../../src/temporal-server/ensure-temporal';
import { errorMessage } from '../../src/contract/failures';
import { createReporter, type Reporter } from '../../src/terminal/reporter';
import { cacheDirectory } from './cache-directory';
import { bringChromium, chromiumEnvironment } from './chromium';
import { bringCodex, codexEnvironment } from './codex-program';
import { administer, runTimeUsers } from './ledgers';
import { postgresEnvironment, postgresUnavailable, startPostgres } from './postgres';
import { pythonEnvironment } from './python';
import { bringPrometheus, prometheusEnvironment } from './prometheus-program';
import { bringPythonPackages, type PythonSet, pythonSets } from './python-packages';
import { bringRedis } from './redis-program';
import { redisEnvironment } from './redis';
import { endings } from './shared-resources';
import { testEnvironment, testNamespace } from './temporal';

/** Runs once before all test files: one Temporal server, one PostgreSQL and one workflow bundle for all of them. */
// oxlint-disable-next-line import/no-default-export -- Jest asks for it
export default async function globalSetup(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-test-'));
  endings.push(() => rm(directory, { recursive: true }));
  await Promise.all([
    startSharedTemporal(),
    startSharedPostgres(),
    bundleWorkflows(join(directory, 'workflow-bundle.js')),
    findProgram(bringRedis, redisEnvironment),
    findProgram(bringChromium, chromiumEnvironment),
    findProgram(bringPrometheus, prometheusEnvironment),
    findProgram(bringCodex, codexEnvironment),
    ...(Object.keys(pythonSets) as PythonSet[]).map(findPythonPackages),
  ]);
}

/** A deleted workflow disappears once the queue's position, by default saved every 30 s, has passed its end. */
const forgetsAtOnce = '--dynamic-config-value=history.transferProcessorUpdateAckInterval="1s"';

async function startSharedTemporal(): Promise<void> {
  const { path: binary } = await ensureTemporalBinary({
    cacheDirectory,
    report: createReporter(process.stderr),
  });
  process.env[testEnvironment.binary] = binary;
  const server = await startDevServer({
    binary,
    dataFile: undefined,
    namespace: testNamespace,
    searchAttributes: Object.values(searchAttributeNames),
    tuning: [...devServerTuning, forgetsAtOnce],
  });
  endings.push(() => server.stop());
  process.env[testEnvironment.address] = server.address;
}

async function startSharedPostgres(): Promise<void> {
  if (postgresUnavailable() !== null) return;
  const server = await startPostgres();
  endings.push(() => server.stop());
  await administer(server.url, runTimeUsers.map((user) => `create role ${user} login`).join('; '));
  process.env[postgresEnvironment.url] = server.url;
}

/** If there is none, the tests that need it are skipped with the reason; in CI they fail. */
async function findProgram(
  bring: (report: Reporter) => Promise<string>,
  environment: { readonly program: string; readonly missing: string },
): Promise<void> {
  try {
    process.env[environment.program] = await bring(createReporter(process.stderr));
  } catch (error) {
    process.env[environment.missing] = errorMessage(error);
  }
}

/** The same for packages of Python. */
async function findPythonPackages(set: PythonSet): Promise<void> {
  const { packages, missing } = pythonEnvironment(set);
  try {
    process.env[packages] = await bringPythonPackages(set, createReporter(process.stderr));
  } catch (error) {
    process.env[missing] = errorMessage(error);
  }
}

/** If the bundle cannot be built, only the tests that use it fail. */
async function bundleWorkflows(bundleFile: string): Promise<void> {
  const workflowsPath = join(__dirname, '../../src/workflows/index.ts');
  if (!existsSync(workflowsPath)) return;
  try {
    const { code } = await bundleWorkflowCode({
      workflowsPath,
      workflowInterceptorModules: [join(__dirname, '../../src/workflows/signal-floods.ts')],
      logger: new DefaultLogger('WARN'),
    });
    writeFileSync(bundleFile, code);
    process.env[testEnvironment.workflowBundle] = bundleFile;
  } catch (error) {
    console.error('The workflow bundle could not be built; tests that use it will fail.', error);
  }
}
