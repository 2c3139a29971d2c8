import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { readAuditKeys } from '../../src/config/audit-keys';

const projectDirectory = join(__dirname, '../..');
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bellwether-secrets-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function makeSecrets(): string {
  return execFileSync(join(projectDirectory, 'deploy/make-secrets.sh'), [directory], { encoding: 'utf8' });
}

function settings(): Readonly<Record<string, string>> {
  return parse(readFileSync(join(directory, 'production.env')));
}

test('it makes every variable that docker-compose.yml cannot do without, each another, and shows none', () => {
  const output = makeSecrets();
  const compose = readFileSync(join(projectDirectory, 'docker-compose.yml'), 'utf8');
  const needed = new Set([...compose.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name ?? ''));
  const values = [...needed].map((name) => settings()[name]);
  expect(needed.size).toBe(6);
  for (const value of values) expect(value).toMatch(/^[0-9a-f]{48}$/);
  expect(new Set(values).size).toBe(values.length);
  for (const value of values) expect(output).not.toContain(value);
  expect(statSync(join(directory, 'production.env')).mode & 0o077).toBe(0);
});

test('a new installation gets keys for the audit trail; an old one decides when its trail is keyed', () => {
  makeSecrets();
  expect(settings()['BELLWETHER_AUDIT_KEYS_FILE']).toBe('/run/secrets/audit_keys');
  const file = join(directory, 'secrets/audit_keys');
  expect(readAuditKeys({ BELLWETHER_AUDIT_KEYS_FILE: file }, directory)).toMatchObject({ problems: [] });
  writeFileSync(join(directory, 'production.env'), 'POSTGRES_PASSWORD=old\n');
  makeSecrets();
  expect(settings()['BELLWETHER_AUDIT_KEYS_FILE']).toBe('');
});

test('it adds what an earlier version did not need, and changes nothing that is there', () => {
  writeFileSync(join(directory, 'production.env'), 'POSTGRES_PASSWORD=old\nLOG_LEVEL=DEBUG');
  makeSecrets();
  const first = settings();
  expect(first).toMatchObject({ POSTGRES_PASSWORD: 'old', LOG_LEVEL: 'DEBUG' });
  expect(first['REDIS_PASSWORD']).toMatch(/^[0-9a-f]{48}$/);
  const text = readFileSync(join(directory, 'production.env'), 'utf8');
  makeSecrets();
  expect(readFileSync(join(directory, 'production.env'), 'utf8')).toBe(text);
});
