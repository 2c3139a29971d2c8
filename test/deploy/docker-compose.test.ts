import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interpolate, parseCompose, readCompose } from '../../deploy/compose-file';
import { validateCompose } from '../../deploy/validate-compose';
import { loadConfigFile } from '../../src/config/config-file';
import { loadSettings } from '../../src/config/load-settings';
import { gatewayLimits } from '../../src/gateway/limits';

const projectDirectory = join(__dirname, '../..');
const source = readFileSync(join(projectDirectory, 'docker-compose.yml'), 'utf8');

/** Problems of our file with one passage changed, to see that the check looks where it says. */
function problemsWith(passage: string | RegExp, replacement: string): readonly string[] {
  const changed = source.replace(passage, replacement);
  if (changed === source) throw new Error(`docker-compose.yml has no ${String(passage)} any more`);
  return validateCompose(parseCompose(changed), projectDirectory);
}

test('docker-compose.yml keeps every promise', () => {
  expect(validateCompose(readCompose(projectDirectory), projectDirectory)).toEqual([]);
});

test('it has all parts of a production set-up', () => {
  expect(Object.keys(readCompose(projectDirectory).services).toSorted()).toEqual([
    'codec-server',
    'gateway',
    'grafana',
    'ledger-rights',
    'postgresql',
    'prometheus',
    'redis',
    'setup',
    'temporal',
    'temporal-schema',
    'temporal-ui',
    'worker',
  ]);
});

test.each([
  ['an image without a version', 'temporalio/ui:2.54.1', 'temporalio/ui:latest', /temporal-ui: image .* not pinned/],
  ['an image of a moving version', 'redis:7.4.6-bookworm', 'redis:7', /redis: image .* not pinned/],
  ['a service that runs as root', "user: '999:999'", "user: '0:0'", /postgresql: does not run as a numbered user/],
  ['capabilities that are kept', 'cap_drop: [ALL]', 'cap_drop: [NET_RAW]', /worker: keeps capabilities/],
  ['a port for everyone', "'127.0.0.1:7233:7233'", "'7233:7233'", /temporal: publishes 7233:7233 beyond loopback/],
  [
    'an undeclared volume',
    '  postgresql-data: {}',
    '  other: {}',
    /postgresql: volume postgresql-data is not declared/,
  ],
  ['an unused volume', '  postgresql-data: {}', '  postgresql-data: {}\n  left: {}', /volume left .* never used/],
  ['a missing file', './deploy/postgres/roles.sql:', './deploy/gone.sql:', /gone\.sql does not exist/],
  ['a file mounted writable', 'roles.sql:ro', 'roles.sql', /roles\.sql is mounted writable/],
  ['a secret that git would keep', './deploy/secrets/codec_token', './codec_token', /outside deploy\/secrets/],
  ['a missing dependency', 'setup: { condition', 'set-up: { condition', /ledger-rights: depends on set-up/],
  [
    'waiting for health without a health check',
    /test: \[CMD, redis-cli.*\]/,
    'disable: true',
    /worker: waits for redis/,
  ],
  [
    'a long-running service without a health check',
    /test: \[CMD, wget.*\]/,
    'disable: true',
    /temporal-ui: has no health/,
  ],
  [
    'schema tools of another version',
    'server:1.32.0',
    'server:1.30.0',
    /admin tools 1\.32\.0.* do not match server 1\.30/,
  ],
  [
    'a port published from an internal network',
    'edge: {}',
    'edge: { internal: true }',
    /temporal-ui: publishes a port/,
  ],
  [
    'another service in the network of the proxy',
    'networks: [edge]',
    'networks: [edge, front]',
    /front is for the gate/,
  ],
  ['a service without a limit of processes', 'pids_limit: 512', 'mem_limit: 1g', /worker: .* no pids_limit/],
  ['a service without a limit of memory', '{ memory: 384m }', '{ cpus: 1 }', /redis: .* no limit of memory/],
  ['heaps as large as the memory', 'space-size=320', 'space-size=512', /worker: has 2 heaps of 512 MiB, .* its 1024/],
  [
    'a missing configuration',
    './deploy/bellwether.config.yaml',
    './deploy/gone.yaml',
    /gateway: .*gone\.yaml does not/,
  ],
  ['an undeclared configuration', 'source: bellwether', 'source: other', /setup: configuration other is not declared/],
])('%s is found', (_name, passage, replacement, problem) => {
  expect(problemsWith(passage, replacement)).toContainEqual(expect.stringMatching(problem));
});

test('our own image has the version of the package', () => {
  const { version } = JSON.parse(readFileSync(join(projectDirectory, 'package.json'), 'utf8')) as { version: string };
  expect(readCompose(projectDirectory).services['worker']?.image).toBe(`bellwether:${version}`);
});

/** A service's environment with what deploy/make-secrets.sh makes. */
function environmentOf(name: string): Readonly<Record<string, string>> {
  const environment = readCompose(projectDirectory).services[name]?.environment ?? {};
  return Object.fromEntries(
    Object.entries(environment).map(([key, value]) => [key, value.replaceAll(/\$\{.*?\}/g, 'x')]),
  );
}

test('every process that plans, calls or refuses reads the same configuration, and no other can be meant', () => {
  const readers = Object.entries(readCompose(projectDirectory).services).filter(
    ([, { configs }]) => configs.length > 0,
  );
  expect(readers.map(([name]) => name).toSorted()).toEqual(['gateway', 'setup', 'worker']);
  for (const [name, { configs }] of readers) {
    expect(configs.map(({ target }) => target)).toEqual([environmentOf(name)['BELLWETHER_CONFIG']]);
  }
});

test('the configuration is valid, with its examples and without', () => {
  const file = join(projectDirectory, 'deploy/bellwether.config.yaml');
  expect(loadConfigFile(file)).toMatchObject({ problems: [], config: { defaultArm: 'holysheep' } });
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-config-'));
  try {
    const withExamples = join(directory, 'bellwether.config.yaml');
    writeFileSync(
      withExamples,
      readFileSync(file, 'utf8')
        .replaceAll(/^#(?! )/gm, '')
        .replaceAll(/^# {2}/gm, '  '),
    );
    const settings = loadSettings({
      workingDirectory: directory,
      environment: { HOLYSHEEP_API_KEY: 'k', LEGACY_API_KEY: 'k', LEGACY_BASE_URL: 'https://old.example/v1' },
    });
    expect(settings.policy.pinnedArms).toEqual(new Map([['staff-ann', 'holysheep']]));
    expect(settings.policy.arms['legacy']?.targets).toMatchObject([{ model: 'old-chat', maxOutputTokens: 8192 }]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('only setup connects as the owner of the tables; workers and gateways have users of their own', () => {
  const services = Object.keys(readCompose(projectDirectory).services);
  const users = services.flatMap((name) => {
    const url = environmentOf(name)['DATABASE_URL'];
    return url === undefined ? [] : [`${name}: ${new URL(url).username}`];
  });
  expect(users.toSorted()).toEqual(['gateway: bellwether_gateway', 'setup: bellwether', 'worker: bellwether_worker']);
});

test('no password stands on a command line', () => {
  for (const [name, service] of Object.entries(readCompose(projectDirectory).services)) {
    const words = [...(service.entrypoint ?? []), ...service.command, ...(service.healthcheck?.test ?? [])];
    // `$$` is a variable of a shell inside the container; a single one is replaced before the command starts.
    expect(`${name}: ${words.join(' ').replaceAll('$$', '')}`).not.toContain('$');
  }
});

test('the file contains no secret', () => {
  for (const [name, { environment }] of Object.entries(readCompose(projectDirectory).services)) {
    for (const [variable, value] of Object.entries(environment)) {
      if (!/PASSWORD|KEY|TOKEN|SECRET|URL/.test(variable)) continue;
      expect(`${name} ${variable}=${value}`).toMatch(
        /=$|=\$\{\w+(:[-?][^}]*)?\}$|=\/run\/secrets\/|=https?:\/\/||:\$\{\w+:\?[^}]*\}@/,
      );
    }
  }
  expect.hasAssertions();
});

test('a worker gets more time to stop than its running calls may take', () => {
  const worker = readFileSync(join(projectDirectory, 'src/services/worker.ts'), 'utf8');
  const grace = Number(/shutdownGraceTime: '(\d+) seconds'/.exec(worker)?.[1]);
  const stop = /^(\d+)s$/.exec(String(readCompose(projectDirectory).services['worker']?.['stop_grace_period']))?.[1];
  expect(Number(stop)).toBeGreaterThan(grace);
});

test('a gateway gets more time to stop than its running requests and its last messages may take', () => {
  const stop = /^(\d+)s$/.exec(String(readCompose(projectDirectory).services['gateway']?.['stop_grace_period']))?.[1];
  expect(Number(stop) * 1000).toBeGreaterThan(gatewayLimits.drainMs + 5_000);
});

test('only workers, and the commands that run there, can key the audit trail', () => {
  const services = Object.entries(readCompose(projectDirectory).services);
  expect(services.flatMap(([name, { secrets }]) => (secrets.includes('audit_keys') ? [name] : []))).toEqual(['worker']);
});

test('only services that call or check providers have their keys', () => {
  const services = Object.entries(readCompose(projectDirectory).services);
  const withKeys = services.filter(([, { volumes }]) => volumes.some((volume) => volume.includes('secrets/providers')));
  expect(withKeys.map(([name]) => name).toSorted()).toEqual(['setup', 'worker']);
});

describe('interpolation works as in compose', () => {
  const variables = { SET: 'value', EMPTY: '' };

  test.each([
    ['a ${SET} b', 'a value b'],
    ['${MISSING}', ''],
    ['${MISSING:-default}', 'default'],
    ['${EMPTY:-default}', 'default'],
    ['${SET:?needed}', 'value'],
    ['$${SET}', '${SET}'],
    ['no variables', 'no variables'],
  ])('%s becomes %s', (value, expected) => {
    expect(interpolate(value, variables)).toBe(expected);
  });

  test('a required variable that is missing is an error with its own message', () => {
    expect(() => interpolate('${MISSING:?run make-secrets}', variables)).toThrow(
      'MISSING is not set: run make-secrets',
    );
  });
});
