import { loadSettings } from '../../src/config/load-settings';
import type { Settings } from '../../src/config/settings';
import { LiveConfiguration } from '../../src/services/live-configuration';

const first = loadSettings({ environment: {} });
const withAttempts = (maxAttemptsPerTarget: number): Settings => ({
  ...first,
  policy: { ...first.policy, retry: { ...first.policy.retry, maxAttemptsPerTarget } },
});

let inFiles: Settings;
let told: string[];
let configuration: LiveConfiguration;
beforeEach(() => {
  inFiles = first;
  told = [];
  const log = (_fields: object, message: string) => void told.push(message);
  configuration = new LiveConfiguration({
    settings: first,
    load: () => inFiles,
    fingerprint: () => JSON.stringify(inFiles.policy.retry),
    logger: { info: log, warn: log } as unknown as ConstructorParameters<typeof LiveConfiguration>[0]['logger'],
  });
});

test('a part of the process that cannot take a change leaves all parts with the former configuration', () => {
  const used = new Map<string, Settings>();
  let isBroken = true;
  configuration.onChange((settings) => void used.set('worker', settings));
  configuration.onChange((settings) => {
    if (isBroken && settings !== first) throw new Error('out of sockets');
    used.set('gateway', settings);
  });
  const changed = withAttempts(2);
  const version = configuration.version;
  inFiles = changed;
  configuration.reload();
  expect([configuration.current, used.get('worker'), configuration.version]).toEqual([first, first, version]);
  expect(configuration.refusal).toContain('out of sockets');
  configuration.look();
  expect(told).toEqual(['the changed configuration is refused; the former one stays in use']);

  isBroken = false;
  configuration.look();
  expect([configuration.current, used.get('worker'), used.get('gateway')]).toEqual([changed, changed, changed]);
  expect(configuration.refusal).toBeNull();
  expect(told.at(-1)).toBe('the changed configuration is in use');
});

test('a file that is still being written is not taken, though it may be valid as far as it has come', () => {
  inFiles = withAttempts(2);
  configuration.look();
  expect(configuration.current).toBe(first);
  inFiles = withAttempts(5);
  configuration.look();
  expect(configuration.current).toBe(first);
  configuration.look();
  expect(configuration.current).toBe(inFiles);
});

test('what needs a restart is named once', () => {
  const warning = 'part of the changed configuration needs a restart';
  inFiles = { ...withAttempts(2), logLevel: 'debug' };
  configuration.reload();
  inFiles = { ...withAttempts(3), logLevel: 'debug' };
  configuration.reload();
  expect(told.filter((message) => message === warning)).toHaveLength(1);
  inFiles = { ...withAttempts(4), logLevel: 'debug', databaseUrl: 'postgres://elsewhere/bellwether' };
  configuration.reload();
  expect(told.filter((message) => message === warning)).toHaveLength(2);
});
