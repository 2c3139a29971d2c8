import { Command, Option } from 'commander';
import pc from 'picocolors';
import { createApiKey } from '../../access/api-key';
import { prepareLedgerDirectory } from '../../config/data-directory';
import type { Settings } from '../../config/settings';
import { ModelNames } from '../../gateway/model-names';
import type { NewApiKey } from '../../ledger/api-keys';
import type { Ledger } from '../../ledger/ledger';
import { exitStatusHelp } from '../exit-status';
import { writeJson, writeLines } from '../output';
import { withLedger } from '../with-ledger';
import { keyAsJson, limitsOf } from './key-words';
import { addModel, parseExpiry, parseName, parseRequestsPerMinute, parseUsd } from './key-options';

interface CreateFlags {
  readonly name: string;
  readonly operator?: boolean;
  readonly dayUsd?: number;
  readonly totalUsd?: number;
  readonly model?: readonly string[];
  readonly requestsPerMinute?: number;
  readonly expires?: number;
  readonly json?: boolean;
}

/** `bellwether keys create`: makes a key and shows it, this one time. */
export function createCommand(): Command {
  return new Command('create')
    .description('make an API key and show it, this one time')
    .addOption(
      new Option('--name <name>', 'what lists call it, such as the service that uses it')
        .argParser(parseName)
        .makeOptionMandatory(),
    )
    .option('--operator', "an operator's key, for those who run the service (default: a key for chat)")
    .addOption(
      new Option('--day-usd <amount>', 'what its turns may cost in a UTC day (default: no limit)').argParser(parseUsd),
    )
    .addOption(new Option('--total-usd <amount>', 'what they may cost in all (default: no limit)').argParser(parseUsd))
    .addOption(new Option('--model <model...>', 'the model names it may use (default: all)').argParser(addModel))
    .addOption(
      new Option('--requests-per-minute <number>', "how many it may send (default: the gateway's limit)").argParser(
        parseRequestsPerMinute,
      ),
    )
    .addOption(
      new Option(
        '--expires <when>',
        'after a time, as 90d, or with a UTC day, as 2027-01-31 (default: never)',
      ).argParser((text) => parseExpiry(text, Date.now())),
    )
    .option('--json', 'print JSON, amounts in US dollars')
    .addHelpText(
      'after',
      `\nWhat it spends counts on the session's and the service's budgets too. Only a hash of the key is kept: who loses\nit makes a new one and revokes the old one. ${exitStatusHelp}`,
    )
    .action(create);
}

async function create({ json, ...flags }: CreateFlags): Promise<void> {
  const { id, text, secretHash } = createApiKey();
  const nowMs = Date.now();
  const key: NewApiKey = { ...settingsOf(flags), id, secretHash, createdAtMs: nowMs };
  const keep = async (ledger: Ledger, loaded: Settings) => {
    await ledger.keys.create(key);
    return { ledgerName: await ledger.check(), settings: loaded };
  };
  const { ledgerName, settings } = await withLedger(keep, async (_, loaded) => {
    // A key may be the first thing that is wanted of a new service.
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
      `${key.role === 'operator' ? 'Operator key' : 'Key'} ${id} (${key.name}) is in ${ledgerName}: ${limitsOf(key)}.`,
      '',
      `  ${pc.bold(text)}`,
      '',
      `${pc.yellow('Copy it now: it cannot be shown again.')} Clients send it as their OpenAI API key (Authorization: Bearer …).`,
      pc.dim(`Revoke it: bellwether keys revoke ${id}`),
    ]);
}

function settingsOf(flags: CreateFlags): Omit<NewApiKey, 'id' | 'secretHash' | 'createdAtMs'> {
  return {
    name: flags.name,
    role: flags.operator ? 'operator' : 'chat',
    dayNanoUsd: flags.dayUsd ?? null,
    totalNanoUsd: flags.totalUsd ?? null,
    models: flags.model ?? null,
    requestsPerMinute: flags.requestsPerMinute ?? null,
    expiresAtMs: flags.expires ?? null,
  };
}

/** A note, no error: the gateway may run with another configuration than this one. */
function tellUnknownModels(models: readonly string[], { policy, gateway }: Settings): void {
  const known = new ModelNames(policy, gateway.aliases).allowedTo({ models: null }).map(({ id }) => id);
  for (const model of models) {
    if (known.includes(model)) continue;
    process.stderr.write(`Note: this configuration has no model ${model}; it has ${known.join(', ')}.\n`);
  }
}
