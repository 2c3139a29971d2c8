import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { canonicalJson } from '../domain/canonical-json';
import { findConfigFile } from './config-file';
import { mergeVariables, readDotEnv } from './environment';
import type { Settings } from './settings';

/** Short enough to read aloud; processes with the same configuration have the same one. Says nothing about keys. */
export function configurationVersion({
  policy,
  gateway,
  providers,
}: Pick<Settings, 'policy' | 'gateway' | 'providers'>) {
  const facts = { policy: { ...policy, pinnedArms: Object.fromEntries(policy.pinnedArms) }, gateway, providers };
  return hash(canonicalJson(facts)).slice(0, 12);
}

/** Changes whenever the configuration file or `.env` does, also by a swapped link. */
export function configurationFingerprint(workingDirectory = process.cwd(), environment = process.env): string {
  try {
    const dotEnv = path.join(workingDirectory, '.env');
    const variables = mergeVariables(environment, readDotEnv(workingDirectory));
    const file = findConfigFile(workingDirectory, variables['BELLWETHER_CONFIG']);
    return hash(JSON.stringify([contentOf(dotEnv), file === undefined ? null : contentOf(file)]));
  } catch (error) {
    return `unreadable: ${String(error)}`;
  }
}

function contentOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** What each process reads only when it starts. */
const readAtStart = [
  'temporal',
  'databaseUrl',
  'redisUrl',
  'logLevel',
  'dataDirectory',
  'cacheDirectory',
  'encryption',
  'auditKeys',
  'idKey',
  'metrics',
  'tracing',
  'notify',
  'simulated',
] as const satisfies readonly (keyof Settings)[];

/** Of a changed configuration, what takes effect only after a restart, by name. */
export function needsRestart(before: Settings, after: Settings): readonly string[] {
  const { aliases: _before, ...gatewayBefore } = before.gateway;
  const { aliases: _after, ...gatewayAfter } = after.gateway;
  const gateway = Object.keys({ ...gatewayBefore, ...gatewayAfter }) as (keyof typeof gatewayAfter)[];
  return [
    ...readAtStart.filter((name) => differ(before[name], after[name])),
    ...gateway.filter((name) => differ(gatewayBefore[name], gatewayAfter[name])).map((name) => `gateway.${name}`),
    ...(before.policy.retry.turnDeadlineMs === after.policy.retry.turnDeadlineMs
      ? []
      : ['retry.turnDeadlineMs (how long gateways wait)']),
  ];
}

function differ(one: unknown, other: unknown): boolean {
  return comparable(one) !== comparable(other);
}

function comparable(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => (part instanceof Map ? [...part] : part)) ?? '';
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
