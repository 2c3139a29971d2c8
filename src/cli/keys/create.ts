import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { createApiKey } from '../../access/api-key';
import { prepareLedgerDirectory } from '../../config/data-directory';
import { usdAmount } from '../../config/schema';
import type { Settings } from '../../config/settings';
import { keyRoles, type KeyRole, type NewApiKey } from '../../contract/api-keys';
import type { Ledger } from '../../contract/ledger';
import { systemActor } from '../../contract/names';
import { ModelNames } from '../../domain/turn/model-names';
import { writeJson, writeLines } from '../../terminal/output';
import { withLedger } from '../../operator/open-ledger';
import { exitStatusHelp } from '../exit-status';
import { parseDuration } from '../options';
import { keyAsJson, limitsOf } from './key-words';

interface CreateFlags {
  readonly name: string;
  readonly role: KeyRole;
  readonly operator?: boolean;
  readonly dayUsd?: number;
  readonly totalUsd?: number;
  readonly model?: readonly string[];
  readonly requestsPerMinute?: number;
  readonly expires?: number;
  readonly json?: boolean;
}

/** `bellwether keys create`: makes a key and shows it once. */
export function createCommand(): Command {
  return new Command('create')
    .description('make an API key and show it once')
    .addOption(
      new Option('--name <name>', 'name shown in lists, such as the service that uses the key')
        .argParser(parseName)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--role <role>',
        'chat: sends turns; operator: operates rollouts on the page, reads all turns and metrics; viewer: only looks at the page; metrics: only reads metrics',
      )
        .choices(keyRoles)
        .default('chat' satisfies KeyRole),
    )
    .addOption(new Option('--operator', 'the same as --role operator').conflicts('role'))
    .addOption(
      new Option('--day-usd <amount>', 'the most that its turns may cost per UTC day (default: no limit)').argParser(
        parseUsd,
      ),
    )
    .addOption(
      new Option('--total-usd <amount>', 'the most that they may cost in total (default: no limit)').argParser(
        parseUsd,
      ),
    )
    .addOption(new Option('--model <model...>', 'the model names it may use (default: all)').argParser(addModel))
    .addOption(
      new Option(
        '--requests-per-minute <number>',
        "requests that it may send per minute (default: the gateway's limit)",
      ).argParser(parseRequestsPerMinute),
    )
    .addOption(
      new Option(
        '--expires <when>',
        'after a time, such as 90d, or at the end of a UTC day, such as 2027-01-31 (default: never)',
      ).argParser((text) => parseExpiry(text, Date.now())),
    )
    .option('--json', 'print JSON, amounts in US dollars')
    .addHelpText(
      'after',
      `\nIts spending also counts against the budgets of the session and the service. Only a hash of the key is kept: if you\nlose the key, make a new one and revoke the old one. ${exitStatusHelp}`,
    )
    .action(create);
}

async function create({ json, ...flags }: CreateFlags): Promise<void> {
  const { id, text, secretHash } = createApiKey();
  const nowMs = Date.now();
  const key: NewApiKey = { ...settingsOf(flags), id, secretHash, createdAtMs: nowMs };
  const keep = async (ledger: Ledger, loaded: Settings) => {
    await ledger.keys.create(key);
    return { ledgerName: ledger.database, settings: loaded };
  };
  const { ledgerName, settings } = await withLedger(keep, async (_, loaded) => {
    // Making a key may be the first thing that happens in a new service.
    prepareLedgerDirectory(loaded);
    const { openLedger } = await import('../../ledger/open-ledger');
    const ledger = await openLedger(loaded);
    try {
      return await keep(ledger, loaded);
    } finally {
      await ledger.close();
    }
  });
  tellUnknownModels(key.models ?? [], settings);
  if (json) writeJson({ ...keyAsJson({ ...key, revokedAtMs: null }, nowMs), key: text });
  else
    writeLines([
      `${titles[key.role]} ${id} (${key.name}) is in ${ledgerName}: ${limitsOf(key)}.`,
      '',
      `  ${pc.bold(text)}`,
      '',
      `${pc.yellow('Copy it now: it cannot be shown again.')} ${uses[key.role]}`,
      pc.dim(`Revoke it: bellwether keys revoke ${id}`),
    ]);
}

const titles: Readonly<Record<KeyRole, string>> = {
  chat: 'Key',
  operator: 'Operator key',
  viewer: 'Viewer key',
  metrics: 'Metrics key',
};

const uses: Readonly<Record<KeyRole, string>> = {
  chat: 'Clients send it as their OpenAI API key (Authorization: Bearer …).',
  operator: "Log in to the operator's page with it (/page of a gateway), or send it as Authorization: Bearer …",
  viewer: "Log in to the operator's page with it: /page of a gateway.",
  metrics: 'Prometheus sends it as Authorization: Bearer …, with `credentials_file`.',
};

function settingsOf(flags: CreateFlags): Omit<NewApiKey, 'id' | 'secretHash' | 'createdAtMs'> {
  return {
    name: flags.name,
    role: flags.operator ? 'operator' : flags.role,
    dayNanoUsd: flags.dayUsd ?? null,
    totalNanoUsd: flags.totalUsd ?? null,
    models: flags.model ?? null,
    requestsPerMinute: flags.requestsPerMinute ?? null,
    expiresAtMs: flags.expires ?? null,
  };
}

/** A note, not an error: the gateway may run with a different configuration. */
function tellUnknownModels(models: readonly string[], { policy, gateway }: Settings): void {
  const known = new ModelNames(policy, gateway.aliases).allowedTo({ models: null }).map(({ id }) => id);
  for (const model of models) {
    if (known.includes(model)) continue;
    process.stderr.write(`Note: this configuration has no model ${model}; it has ${known.join(', ')}.\n`);
  }
}

/** It is a label in lists; an account name or an email address fits. */
const maxNameLength = 64;

/** Longer than the names of any provider's models. */
const maxModelLength = 200;

/** More than one process can serve, so a larger number is a mistake. */
const maxRequestsPerMinute = 1_000_000;

/** A longer time is a mistake too. */
const maxDays = 3_650;

const dayMs = 24 * 60 * 60 * 1000;

function parseName(text: string): string {
  const name = printable(text, maxNameLength);
  if (name.toLowerCase() !== systemActor) return name;
  throw new InvalidArgumentError(
    `The audit trail calls automatic decisions ${systemActor}, so a key of that name could not be told apart. Choose ` +
      'another, such as that of the person or program that will use it.',
  );
}

/** For an option that may be given several times. */
function addModel(text: string, models: readonly string[] | undefined): readonly string[] {
  return [...new Set([...(models ?? []), printable(text, maxModelLength)])];
}

/** Dollars as nano-dollars. */
function parseUsd(text: string): number {
  const { data, error } = usdAmount.safeParse(text);
  if (error === undefined) return data;
  const reasons = error.issues.map(({ message }) => message).join('; ');
  throw new InvalidArgumentError(`It ${reasons}.`);
}

function parseRequestsPerMinute(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= maxRequestsPerMinute) return count;
  throw new InvalidArgumentError(
    "It must be a whole number from 1 to 1,000,000; leave it out to use the gateway's limit.",
  );
}

/** `90d` from now, or the last moment of a UTC day: `2027-01-31`. */
function parseExpiry(text: string, nowMs: number): number {
  const expiresAtMs = /^\d{4}-\d\d-\d\d$/.test(text) ? lastMomentOf(text) : nowMs + durationOf(text);
  if (!(expiresAtMs > nowMs)) throw new InvalidArgumentError('It must be in the future.');
  if (expiresAtMs > nowMs + maxDays * dayMs) {
    throw new InvalidArgumentError(
      `It must be at most ${maxDays}d from now; leave it out for a key that never expires.`,
    );
  }
  return expiresAtMs;
}

function durationOf(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    throw new InvalidArgumentError('It must be a time from now, such as 90d or 12h, or a UTC day, such as 2027-01-31.');
  }
}

function lastMomentOf(day: string): number {
  const startMs = Date.parse(`${day}T00:00:00.000Z`);
  // NaN for month 13; a different day for 31 February.
  const isDay = !Number.isNaN(startMs) && new Date(startMs).toISOString().startsWith(day);
  if (!isDay) throw new InvalidArgumentError('There is no such day.');
  return startMs + dayMs - 1;
}

function printable(text: string, maxLength: number): string {
  const trimmed = text.trim();
  if (trimmed !== '' && trimmed.length <= maxLength && !/\p{C}/u.test(trimmed)) return trimmed;
  throw new InvalidArgumentError(`It must have 1 to ${maxLength} characters, none of them a control character.`);
}
