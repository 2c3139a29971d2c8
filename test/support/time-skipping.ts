import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { searchAttributeNames } from '../../src/contract/names';
import { lockFile } from '../../src/temporal-server/file-lock';
import { reasonOf } from '../../src/reason';
import { createReporter, type Reporter } from '../../src/temporal-server/reporter';
import { addSearchAttributes } from '../../src/temporal-server/namespace';
import { cacheDirectory } from './cache-directory';

const testServerVersion = '1.38.0';
/** As for the CLI: who cannot reach the download should not wait long for the next way. */
const reachTimeoutMs = 5_000;
/** The SDK gives its server 5 s, and cannot be told otherwise; on a busy machine a Java program needs some seconds to start. */
const startTimeoutMs = 60_000;
/** 40 small archives; a slow line needs minutes, a stuck one is given up. */
const mavenTimeoutMs = 10 * 60_000;

type Executable =
  | { readonly type: 'existing-path'; readonly path: string }
  | { readonly type: 'cached-download'; readonly downloadDir: string };

/**
 * An environment whose clock jumps to the next timer when nothing else is to be done. Its clock is one for all its
 * workflows: use an environment for one test at a time, and tear it down with `teardown()`.
 */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const executable = await ensureTimeSkippingServer(createReporter(process.stderr));
  const environment = await startServer(executable);
  // A workflow task that sets an attribute which the server does not know fails again and again.
  await addSearchAttributes(environment.connection, 'default', Object.values(searchAttributeNames));
  return environment;
}

async function startServer(executable: Executable): Promise<TestWorkflowEnvironment> {
  const giveUpAtMs = Date.now() + startTimeoutMs;
  for (;;) {
    try {
      return await TestWorkflowEnvironment.createTimeSkipping({ server: { executable } });
    } catch (error) {
      if (!reasonOf(error).includes('did not start within') || Date.now() > giveUpAtMs) throw error;
    }
  }
}

/** The official server, downloaded by the SDK; where it cannot be reached, the same server from Maven Central. */
async function ensureTimeSkippingServer(report: Reporter): Promise<Executable> {
  const store = join(cacheDirectory, 'temporal-test-server');
  const program = join(store, testServerVersion, 'temporal-test-server');
  mkdirSync(store, { recursive: true });
  const lock = await lockFile(join(store, 'lock'), () => report.note('Another process is bringing the test server.'));
  try {
    if (existsSync(program)) return { type: 'existing-path', path: program };
    const download = await reachDownload();
    if (download === 'reachable') return { type: 'cached-download', downloadDir: store };
    const maven = await bringWithMaven(store, report);
    if (maven === 'done') return { type: 'existing-path', path: program };
    throw new Error(
      `No time-skipping test server. Tried: the SDK's download (${download}); ` +
        `Maven with io.temporal:temporal-test-server:${testServerVersion} (${maven}). ` +
        'Allow temporal.download, or install Java and Maven.',
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
    return reasonOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
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
      <version>${testServerVersion}</version>
    </dependency>
  </dependencies>
</project>
`;

const startScript = `#!/bin/sh
exec java -XX:TieredStopAtLevel=1 -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer "$@"
`;

/** The server's archives and a script that starts it, put in place by one rename. Returns why it did not work. */
async function bringWithMaven(store: string, report: Reporter): Promise<string> {
  const unfinished = join(store, 'unfinished');
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished);
  const task = report.begin(`Temporal's time-skipping test server ${testServerVersion}, with Maven (once)`);
  const run = promisify(execFile);
  try {
    await run('java', ['-version']);
    writeFileSync(join(unfinished, 'pom.xml'), pom);
    const maven = ['-B', '-q', 'dependency:copy-dependencies', '-DoutputDirectory=lib'];
    await run('mvn', maven, { cwd: unfinished, timeout: mavenTimeoutMs });
    const script = join(unfinished, 'temporal-test-server');
    writeFileSync(script, startScript);
    chmodSync(script, 0o755);
    renameSync(unfinished, join(store, testServerVersion));
    task.succeed('The test server is ready.');
    return 'done';
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    task.fail(`Maven: ${reasonOf(error)}`);
    return reasonOf(error);
  }
}
