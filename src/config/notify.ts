import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isLoopback } from '../access/loopback';
import { errorMessage } from '../contract/failures';
import { notificationEvents, type NotifyAddress, type NotifyTarget } from '../contract/notifications';
import type { ProblemPath } from '../contract/problem';
import type { LoadedConfigFile } from './config-file';
import { mergeVariables, readDotEnv, type Variables } from './environment';
import { readSecretText } from './key-ring';
import type { ConfigFile } from './schema';

type NotifyConfig = NonNullable<ConfigFile['notify']>[number];

interface Sources {
  readonly loaded: LoadedConfigFile;
  readonly environment: Variables;
  readonly workingDirectory: string;
}

/**
 * Whom workers tell. Addresses and secrets are read when they are used: most processes tell nobody, and need not have them.
 */
export function resolveNotify({ loaded, environment, workingDirectory }: Sources): {
  readonly notify: readonly NotifyTarget[];
  readonly problems: readonly string[];
} {
  const { notify: configured = [] } = loaded.config;
  const problems = configured.flatMap((target, index) => problemsOf(target, index, configured).map(loaded.describe));
  const notify = configured.map((target): NotifyTarget => {
    const secretOf = (kind: SecretKind): string | undefined => {
      const file = target[`${kind}File`];
      if (file !== undefined) return readFile(path.resolve(path.dirname(loaded.file ?? ''), file));
      const variable = target[`${kind}Env`];
      if (variable === undefined) return undefined;
      const variables = mergeVariables(environment, readDotEnv(workingDirectory));
      const value = readSecretText(variable, variables, workingDirectory)?.trim();
      if (!value) throw new Error(`${variable} is not set`);
      return value;
    };
    return {
      name: target.name,
      format: target.format,
      events: new Set(target.events ?? notificationEvents),
      pageUrl: target.pageUrl ?? null,
      source: target.urlEnv ?? target.urlFile ?? 'url',
      readAddress: () => readAddress(target, secretOf),
    };
  });
  return { notify, problems };
}

/** The problems of all addresses and secrets, for a process that is about to use them. They contain neither. */
export function addressProblems(notify: readonly NotifyTarget[]): readonly string[] {
  return notify.flatMap(({ name, readAddress: read }) => {
    try {
      read();
      return [];
    } catch (error) {
      return [`notify, ${name}: ${errorMessage(error)}`];
    }
  });
}

type SecretKind = 'url' | 'secret';

function readAddress(target: NotifyConfig, secretOf: (kind: SecretKind) => string | undefined): NotifyAddress {
  const url = target.url ?? secretOf('url') ?? '';
  const problem = addressProblem(url, target.allowHttp ?? false);
  if (problem !== null) throw new Error(`${target.urlEnv ?? target.urlFile ?? 'url'} ${problem}`);
  const text = secretOf('secret');
  const where = target.secretEnv ?? target.secretFile ?? '';
  return { url, secrets: text === undefined ? [] : text.split(/[\s,]+/).map((each) => signingKey(each, where)) };
}

function addressProblem(url: string, allowHttp: boolean): string | null {
  if (!URL.canParse(url)) return 'is not an address; it must begin with https://';
  const { protocol, hostname, username, password, hash } = new URL(url);
  if (username !== '' || password !== '' || hash !== '') {
    return 'must not contain a user name, a password or a fragment';
  }
  if (protocol === 'https:') return null;
  if (protocol !== 'http:') return 'must begin with https://';
  if (allowHttp || isLoopback(hostname.replace(/^\[|\]$/g, ''))) return null;
  return 'must begin with https://, because it is not on this machine; `allowHttp: true` allows http all the same';
}

/** What the Standard Webhooks specification allows. */
const keyBytes = { least: 24, most: 64 } as const;

function signingKey(secret: string, where: string): Uint8Array {
  const [, encoded] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const key = Buffer.from(encoded ?? '', 'base64');
  if (key.length >= keyBytes.least && key.length <= keyBytes.most) return new Uint8Array(key);
  throw new Error(
    `${where} must be whsec_ followed by ${keyBytes.least} to ${keyBytes.most} bytes in base64: ` +
      'echo "whsec_$(openssl rand -base64 32)" makes one',
  );
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}

function problemsOf(target: NotifyConfig, index: number, all: readonly NotifyConfig[]) {
  const problem = (field: string, code: 'missing' | 'contradiction' | 'already-used', message: string) => ({
    path: ['notify', index, field] satisfies ProblemPath,
    code,
    message,
  });
  const { name, format, url, urlEnv, urlFile, secretEnv, secretFile } = target;
  const problems = [];
  if (all.findIndex((other) => other.name === name) !== index) {
    problems.push(problem('name', 'already-used', `"${name}" is the name of an earlier target`));
  }
  const addresses = [url, urlEnv, urlFile].filter((each) => each !== undefined).length;
  if (addresses === 0) problems.push(problem('url', 'missing', 'is missing, and so are urlEnv and urlFile'));
  if (addresses > 1) problems.push(problem('url', 'contradiction', 'name one of url, urlEnv and urlFile'));
  if (format === 'slack' && url !== undefined) {
    problems.push(problem('url', 'contradiction', "Slack's addresses are secrets: name it in urlEnv or urlFile"));
  }
  if (secretEnv !== undefined && secretFile !== undefined) {
    problems.push(problem('secretEnv', 'contradiction', 'name one of secretEnv and secretFile'));
  }
  if (format === 'json' && secretEnv === undefined && secretFile === undefined) {
    const message = 'is missing: deliveries are signed, so that the receiver knows that they are from here';
    problems.push(problem('secretEnv', 'missing', message));
  }
  return problems;
}
