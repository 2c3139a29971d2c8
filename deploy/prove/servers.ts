import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createReporter } from '../../src/terminal/reporter';
import { bringRedis } from '../../test/support/redis-program';
import { tagOf } from '../compose-file';
import { untilHealthy } from './health';
import { findPostgres, goInstall, goModuleDirectory, unprivilegedUser } from './packages';
import { run, runOrThrow } from './processes';
import type { Stage } from './stage';

/** Builds what Go has to build, in the versions of the compose file, and gives the programs their images' names. */
export async function bringTemporal(stage: Stage, cacheDirectory: string): Promise<void> {
  const reporter = createReporter(process.stderr);
  const { services } = stage.translation.compose;
  const version = tagOf(services['temporal']) ?? '';
  const server = await goInstall(
    join(cacheDirectory, `temporal-server-${version}`),
    [`go.temporal.io/server/cmd/server@v${version}`, `go.temporal.io/server/cmd/tools/sql@v${version}`],
    reporter,
  );
  await stage.addProgram('temporal-server', join(server, 'server'));
  await stage.addProgram('temporal-sql-tool', join(server, 'sql'));

  const uiVersion = tagOf(services['temporal-ui']) ?? '';
  const ui = await goInstall(
    join(cacheDirectory, `temporal-ui-${uiVersion}`),
    [`github.com/temporalio/ui-server/v2/cmd/server@v${uiVersion}`],
    reporter,
  );
  await stage.addProgram('ui-server', join(ui, 'server'));
}

/** PostgreSQL with the compose file's command, and the roles that its image would make on an empty volume. */
export async function startPostgres(stage: Stage): Promise<string> {
  const { processes, directory, projectDirectory } = stage;
  const { command, environment, ...rest } = stage.service('postgresql');
  const programs = findPostgres(projectDirectory);
  // PostgreSQL refuses to run as root.
  const userId = unprivilegedUser('nobody');
  const data = join(directory, 'postgresql');
  await mkdir(data, { mode: 0o700 });
  const passwordFile = join(directory, 'postgresql-password');
  await writeFile(passwordFile, environment['POSTGRES_PASSWORD'] ?? '');
  if (userId !== undefined) await Promise.all([data, passwordFile].map((path) => chown(path, userId, userId)));
  const superuser = ['--username', 'postgres', '--pwfile', passwordFile, '--auth', 'scram-sha-256'];
  await runOrThrow([join(programs, 'initdb'), '--pgdata', data, ...superuser, '--encoding', 'UTF8', '--locale', 'C'], {
    userId,
    workingDirectory: directory,
  });

  const [, ...settings] = command;
  const place = ['-D', data, '-h', '127.0.0.1', '-p', String(stage.port('postgresql')), '-k', ''];
  processes.start('postgresql', [join(programs, 'postgres'), ...settings, ...place], {
    userId,
    workingDirectory: directory,
  });
  await untilHealthy('postgresql', { command, environment, ...rest }, processes);
  const roles = ['--file', join(projectDirectory, 'deploy/postgres/roles.sql')];
  await psql(stage, 'postgres', ...roles);
  await psql(stage, 'postgres', ...roles);
  return runOrThrow([join(programs, 'postgres'), '--version']).then((output) => output.trim());
}

/** Runs psql as the superuser and returns what it printed, without decoration. */
export function psql(stage: Stage, database: string, ...args: readonly string[]): Promise<string> {
  const { environment } = stage.service('postgresql');
  return runOrThrow(['psql', '--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--dbname', database, ...args], {
    environment: {
      ...environment,
      PGHOST: '127.0.0.1',
      PGPORT: String(stage.port('postgresql')),
      PGUSER: 'postgres',
      PGPASSWORD: environment['POSTGRES_PASSWORD'] ?? '',
    },
  });
}

/** The schema step of the compose file, and once more, as every later start of the compose file does it. */
export async function setUpSchema(stage: Stage): Promise<void> {
  const { command, environment } = stage.service('temporal-schema');
  await runOrThrow(command, { environment });
  await runOrThrow(command, { environment });
}

export async function startTemporal(stage: Stage): Promise<void> {
  const temporal = stage.service('temporal');
  const { TEMPORAL_DYNAMIC_CONFIG: dynamicConfig = '' } = temporal.environment;
  const validation = await runOrThrow(['temporal-server', 'validate-dynamic-config', dynamicConfig], temporal);
  // It ends with 0 also when it found something.
  if (/error:|warning:/.test(validation)) throw new Error(`Temporal does not know this setting: ${validation}`);
  stage.processes.start('temporal', temporal.command, {
    environment: { ...temporal.environment, ...stage.temporalPorts },
    workingDirectory: '/',
    userId: unprivilegedUser('nobody'),
  });
  await untilHealthy('temporal', temporal, stage.processes);
}

/** The program that the tests use. Throws when none can be had here. */
export async function startRedis(stage: Stage): Promise<void> {
  await stage.addProgram('redis-server', await bringRedis(createReporter(process.stderr)));
  const redis = stage.service('redis');
  stage.processes.start('redis', [...redis.command, '--bind', '127.0.0.1', '--port', String(stage.port('redis'))], {
    environment: redis.environment,
    workingDirectory: '/',
    userId: unprivilegedUser('nobody'),
  });
  await untilHealthy('redis', redis, stage.processes);
  const [program = '', ...ping] = redis.healthCheck;
  const { status, output } = await run([program, ...ping]);
  if (status === 0) throw new Error(`Redis answers without a password: ${output}`);
}

export async function startUi(stage: Stage): Promise<void> {
  const ui = stage.service('temporal-ui');
  const version = tagOf(stage.translation.compose.services['temporal-ui']);
  // The module holds the configuration template that the image is made with.
  const root = await goModuleDirectory(`github.com/temporalio/ui-server/v2@v${version}`);
  stage.processes.start(
    'temporal-ui',
    ['ui-server', '--root', root, '--config', 'config', '--env', 'docker', 'start'],
    {
      environment: { ...ui.environment, TEMPORAL_UI_PORT: String(stage.port('temporal-ui')) },
      workingDirectory: '/',
    },
  );
  await untilHealthy('temporal-ui', ui, stage.processes);
}
