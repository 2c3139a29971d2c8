import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { interpolate, parseCompose, readCompose } from '../../deploy/compose-file';
import { validateCompose } from '../../deploy/validate-compose';
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
    'postgresql',
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
  ['a missing dependency', 'setup: { condition', 'set-up: { condition', /worker: depends on set-up/],
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
])('%s is found', (_name, passage, replacement, problem) => {
  expect(problemsWith(passage, replacement)).toContainEqual(expect.stringMatching(problem));
});

test('our own image has the version of the package', () => {
  const { version } = JSON.parse(readFileSync(join(projectDirectory, 'package.json'), 'utf8')) as { version: string };
  expect(readCompose(projectDirectory).services['worker']?.image).toBe(`bellwether:${version}`);
});

test('the file contains no secret', () => {
  for (const [name, { environment }] of Object.entries(readCompose(projectDirectory).services)) {
    for (const [variable, value] of Object.entries(environment)) {
      if (!/PASSWORD|KEY|TOKEN|SECRET|URL/.test(variable)) continue;
      expect(`${name} ${variable}=${value}`).toMatch(
        /=$|=\$\{\w+(:[-?][^}]*)?\}$|=\/run\/secrets\/|=https?:\/\/|=redis:\/\/redis:|:\$\{\w+:\?[^}]*\}@/,
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
