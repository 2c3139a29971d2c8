import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkApiKey } from '../../src/access/check-api-key';
import type { Ledger } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { admitRequest, settled, turnRecord } from '../ledger/requests';
import { type CliResult, CliWorkspace } from './run-cli';

const dayMs = 24 * 60 * 60 * 1000;

let workspace: CliWorkspace;
beforeEach(() => {
  workspace = new CliWorkspace();
});
afterEach(() => workspace.remove());

function keys(...args: readonly string[]): Promise<CliResult> {
  return workspace.run(['keys', ...args]);
}

interface ShownKey {
  readonly id: string;
  readonly key: string;
  readonly expires_at: string;
}

function created(...args: readonly string[]): Promise<ShownKey> {
  return workspace.json(['keys', 'create', ...args]) as Promise<ShownKey>;
}

async function withLedger<T>(work: (ledger: Ledger) => Promise<T>): Promise<T> {
  const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
  try {
    return await work(ledger);
  } finally {
    await ledger.close();
  }
}

function check(text: string) {
  return withLedger((ledger) => checkApiKey(ledger.keys, text, Date.now()));
}

describe('bellwether keys create', () => {
  it('creates the ledger if there is none, and shows a working key once', async () => {
    const { status, stdout, stderr } = await workspace.spawn(['keys', 'create', '--name', 'support-bot']);
    expect([status, stderr]).toEqual([0, '']);
    const shown = stdout.match(/bw_\w{12}_[\w-]{43}/g) ?? [];
    expect(shown).toHaveLength(1);
    expect(stdout).toContain('Copy it now: it cannot be shown again.');
    expect(stdout).toMatch(/^Key \w{12} \(support-bot\) is in SQLite .*: no daily limit, no total limit, all models/);
    expect(await check(shown[0]!)).toMatchObject({ kind: 'valid', key: { name: 'support-bot', role: 'chat' } });
  });

  it('stores the key’s text nowhere', async () => {
    const { key } = await created('--name', 'support-bot');
    const secret = key.slice('bw_0123456789ab_'.length);
    const directory = join(workspace.directory, '.bellwether');
    for (const file of readdirSync(directory)) {
      expect(readFileSync(join(directory, file)).includes(secret)).toBe(false);
    }
    for (const args of [['list'], ['list', '--json']]) expect((await keys(...args)).stdout).not.toContain(secret);
  });

  it('accepts every limit', async () => {
    const limits = ['--day-usd', '5', '--total-usd', '100.000001', '--requests-per-minute', '600', '--operator'];
    const models = ['--model', 'deepseek-v3.2', 'gemini-2.5-flash', '--model', 'deepseek-v3.2'];
    const key = await created('--name', ' support-bot ', ...limits, ...models, '--expires', '2031-01-31');
    expect(key).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{12}$/),
      key: expect.stringContaining(`bw_${key.id}_`),
      name: 'support-bot',
      role: 'operator',
      day_usd: 5,
      total_usd: 100.000001,
      models: ['deepseek-v3.2', 'gemini-2.5-flash'],
      requests_per_minute: 600,
      created_at: expect.any(String),
      expires_at: '2031-01-31T23:59:59.999Z',
      revoked_at: null,
      state: 'active',
    });
    expect(await withLedger((ledger) => ledger.keys.find(key.id))).toMatchObject({
      role: 'operator',
      dayNanoUsd: 5_000_000_000,
      totalNanoUsd: 100_000_001_000,
      requestsPerMinute: 600,
    });
  });

  it.each([
    [[], 'chat', 'Clients send it as their OpenAI API key'],
    [['--operator'], 'operator', 'Operator key'],
    [['--role', 'operator'], 'operator', 'Operator key'],
    [['--role', 'metrics'], 'metrics', 'Prometheus sends it'],
    [['--role', 'chat'], 'chat', 'Clients send it as their OpenAI API key'],
  ])('gives the key a role (%j)', async (options, role, words) => {
    expect(await created('--name', 'x', ...options)).toMatchObject({ role });
    expect((await keys('create', '--name', 'x', ...options)).stdout).toContain(words);
  });

  it('accepts an expiry as a time from now', async () => {
    const before = Date.now();
    const expiresAtMs = Date.parse((await created('--name', 'x', '--expires', '90d')).expires_at);
    expect(expiresAtMs).toBeGreaterThanOrEqual(before + 90 * dayMs);
    expect(expiresAtMs).toBeLessThanOrEqual(Date.now() + 90 * dayMs);
  });

  it('says so if the service has no such model, and creates the key anyway', async () => {
    const { status, stdout, stderr } = await keys('create', '--name', 'x', '--model', 'bellwether', 'deepseek-v3.3');
    expect(status).toBe(0);
    expect(stdout).toContain('bw_');
    expect(stderr).toMatch(
      /^Note: this configuration has no model deepseek-v3.3; it has bellwether, deepseek-v3.2.*\n$/,
    );
  });

  it.each([
    [[], /required option '--name <name>'/],
    [['--name', 'x', '--role', 'owner'], /'--role <role>'.*chat, operator, viewer, metrics/],
    [['--name', 'x', '--operator', '--role', 'metrics'], /'--operator' cannot be used with option '--role <role>'/],
    [['--name', ''], /'--name <name>'.*1 to 64 characters/],
    [['--name', 'x'.repeat(65)], /'--name <name>'.*1 to 64 characters/],
    [['--name', 'a\u001b[2J'], /'--name <name>'.*none of them a control character/],
    [['--name', ' Bellwether '], /'--name <name>'.*automatic decisions bellwether.*Choose another/],
    [['--name', 'x', '--day-usd', '5.0000001'], /'--day-usd <amount>'.*at most 6 decimals/],
    [['--name', 'x', '--day-usd', '-1'], /'--day-usd <amount>'.*US dollars/],
    [['--name', 'x', '--total-usd', '1000001'], /'--total-usd <amount>'.*up to 1,000,000/],
    [['--name', 'x', '--requests-per-minute', '0'], /'--requests-per-minute <number>'.*from 1 to 1,000,000/],
    [['--name', 'x', '--requests-per-minute', '1.5'], /'--requests-per-minute <number>'.*from 1 to 1,000,000/],
    [['--name', 'x', '--model', ''], /'--model <model...>'.*1 to 200 characters/],
    [['--name', 'x', '--expires', 'soon'], /'--expires <when>'.*such as 90d or 12h, or a UTC day, such as 2027-01-31/],
    [['--name', 'x', '--expires', '2020-01-31'], /'--expires <when>'.*must be in the future/],
    [['--name', 'x', '--expires', '0d'], /'--expires <when>'.*must be in the future/],
    [['--name', 'x', '--expires', '2031-02-29'], /'--expires <when>'.*no such day/],
    [['--name', 'x', '--expires', '3651d'], /'--expires <when>'.*at most 3650d/],
  ])('refuses %j with status 2 and creates no key', async (args, message) => {
    const { status, stdout, stderr } = await keys('create', ...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
    expect(readdirSync(workspace.directory)).toEqual([]);
  });
});

describe('bellwether keys list', () => {
  it('says so if there are no keys yet, and creates no ledger', async () => {
    const { status, stdout } = await keys('list');
    expect(status).toBe(0);
    expect(stdout).toContain('There is no API key yet. Make one: npx bellwether keys create');
    expect(readdirSync(workspace.directory)).toEqual([]);
  });

  it('shows budgets, their spending, and the state', async () => {
    const { id } = await created('--name', 'support-bot', '--day-usd', '5', '--model', 'deepseek-v3.2');
    const { id: idle } = await created('--name', 'idle', '--expires', '12h');
    await withLedger(async (ledger) => {
      for (const [turnId, atMs] of [
        ['today', Date.now()],
        // Today by the time that it is asked for, should midnight pass meanwhile.
        ['tomorrow', Date.now() + dayMs],
        ['before', Date.now() - 2 * dayMs],
      ] as const) {
        await ledger.admit(admitRequest(turnId, 2_000_000, { keyId: id, atMs }));
        await ledger.recordTurn(turnRecord(turnId, [settled(1, 1_500_000)]));
      }
    });
    await keys('revoke', idle);
    expect(await workspace.json(['keys', 'list'])).toMatchObject([
      { id, name: 'support-bot', state: 'active', day_usd: 5, spent_today_usd: 0.0015, spent_usd: 0.0045 },
      { id: idle, name: 'idle', state: 'revoked', spent_today_usd: 0, spent_usd: 0, models: null },
    ]);
    const { stdout } = await keys('list');
    const row = `^${id} +support-bot +chat +active +\\$0.001500 of \\$5.00 +\\$0.004500 +deepseek-v3.2 +default +never$`;
    expect(stdout).toMatch(new RegExp(row, 'm'));
    expect(stdout).toMatch(new RegExp(`^${idle} +idle +chat +revoked .* all .* UTC$`, 'm'));
  });
});

describe('bellwether keys revoke', () => {
  it('locks the key out, and says when if it is revoked again', async () => {
    const { id, key } = await created('--name', 'support-bot');
    expect(await keys('revoke', id)).toMatchObject({ status: 0, stdout: `Key ${id} (support-bot) is revoked.\n` });
    expect(await check(key)).toEqual({ kind: 'refused', reason: 'revoked' });
    const again = await keys('revoke', id);
    expect(JSON.parse((await keys('revoke', id, '--json')).stdout)).toMatchObject({ id, state: 'revoked' });
    expect(again.status).toBe(0);
    expect(again.stdout).toMatch(/was already revoked, at \d{4}-/);
  });

  it('accepts the whole key instead of its id, and does not repeat it', async () => {
    const { id, key } = await created('--name', 'support-bot');
    const { status, stdout, stderr } = await keys('revoke', key);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toBe(`Key ${id} (support-bot) is revoked.\n`);
  });

  it.each([
    ['before there is a ledger', false],
    ['with one', true],
  ])('says what to do about an unknown id, %s', async (_, hasLedger) => {
    if (hasLedger) await created('--name', 'other');
    const { status, stdout, stderr } = await keys('revoke', '0123456789ab');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      'There is no API key with the id 0123456789ab in this ledger. `bellwether keys list` shows them all.\n',
    );
  });

  it('refuses an invalid id with status 2, and does not repeat it', async () => {
    const { key } = await created('--name', 'other');
    const { status, stderr } = await keys('revoke', key.slice(0, -1));
    expect(status).toBe(2);
    expect(stderr).toContain('An id has 12 characters');
    expect(stderr).not.toContain(key.slice(3, 12));
  });
});
