import type { Settings } from './settings';

type Variables = Readonly<Record<string, string>>;
type Read<Key extends keyof Settings> = Pick<Settings, Key> & { readonly problems: readonly string[] };

/** Python's level names, which the migration guide's `.env` uses, mean the same here. */
const logLevels: ReadonlyMap<string, Settings['logLevel']> = new Map([
  ['debug', 'debug'],
  ['info', 'info'],
  ['warn', 'warn'],
  ['warning', 'warn'],
  ['error', 'error'],
  ['critical', 'error'],
]);

export function readLogLevel(variables: Variables): Read<'logLevel'> {
  const text = variables['LOG_LEVEL'] ?? 'info';
  const logLevel = logLevels.get(text.toLowerCase());
  if (logLevel) return { logLevel, problems: [] };
  return { logLevel: 'info', problems: [`LOG_LEVEL: must be one of DEBUG, INFO, WARN and ERROR, not "${text}"`] };
}

export function readDatabaseUrl(variables: Variables): Read<'databaseUrl'> {
  const { value: databaseUrl, problems } = readUrl(variables, 'DATABASE_URL', ['postgres:', 'postgresql:']);
  return { databaseUrl, problems };
}

export function readRedisUrl(variables: Variables): Read<'redisUrl'> {
  const { value: redisUrl, problems } = readUrl(variables, 'REDIS_URL', ['redis:', 'rediss:']);
  return { redisUrl, problems };
}

/** Such addresses hold passwords: a problem never repeats them. */
function readUrl(variables: Variables, name: string, protocols: readonly string[]) {
  const value = variables[name];
  if (value === undefined) return { value, problems: [] };
  const isUsable = URL.canParse(value) && protocols.includes(new URL(value).protocol);
  const expected = protocols.map((protocol) => `${protocol}//…`).join(' or ');
  return { value, problems: isUsable ? [] : [`${name}: must be an address that begins with ${expected}`] };
}
