import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { guideOffers } from '../config/guide-offers';
import { compareBills, maxComparedTokens, type Bill } from '../domain/guide/bill-comparison';
import { checkGuideFigures, guideCase, type FigureCheck } from '../domain/guide/guide-figures';
import { formatUsd, toUsd } from '../domain/turn/prices';
import { asPercent, showOwnBills, withThousands } from './own-bills';
import { exitStatusHelp, UsageError } from './exit-status';
import { addPeriod, type PeriodFlags, periodOf } from './period';
import { renderTable, writeJson, writeLines } from '../terminal/output';

interface CompareFlags extends PeriodFlags {
  readonly ledger?: boolean;
  readonly tokens: number;
  readonly cjkShare: number;
  readonly json?: boolean;
}

/** `bellwether compare`: the migration guide's bill comparison, and a check of its figures. */
export function compareCommand(): Command {
  const command = new Command('compare');
  const isSet = (option: string): boolean => command.getOptionValueSource(option) === 'cli';
  command
    .description(
      "compare monthly bills at the migration guide's prices, and check the guide's own figures; or, with --ledger, the bills of your own traffic at the configured prices",
    )
    .option('--ledger', "take the volume from the ledger's calls, and the prices from the configuration")
    .addOption(
      new Option('--tokens <number>', 'tokens per month, such as 500M, 2.5B or 750000')
        .argParser(parseTokens)
        .default(guideCase.tokensPerMonth, '500M'),
    )
    .addOption(
      new Option('--cjk-share <percent>', 'share of Chinese, Japanese and Korean text')
        .argParser(parsePercent)
        .default(1, '100%'),
    )
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(async ({ ledger: isOfLedger, tokens, cjkShare, json, ...flags }: CompareFlags) => {
      if (isOfLedger) {
        if (isSet('tokens')) throw new UsageError('Give either --ledger or --tokens.');
        return showOwnBills(periodOf(flags), cjkShare, isSet('cjkShare'), json);
      }
      if (isSet('from') || isSet('to')) throw new UsageError('--from and --to need --ledger.');
      const bills = compareBills(guideOffers(), tokens, cjkShare);
      const figures = checkGuideFigures();
      if (json) writeJson(asJson(bills, figures, tokens, cjkShare));
      else writeLines(asText(bills, figures, tokens, cjkShare));
    });
  addPeriod(command, 'with --ledger, count only calls');
  return command;
}

function asText(
  bills: readonly Bill[],
  figures: readonly FigureCheck[],
  tokens: number,
  cjkShare: number,
): readonly string[] {
  const columns = [
    { title: 'Provider' },
    { title: 'Model' },
    { title: 'Base / 1M', align: 'right' },
    { title: 'CJK', align: 'right' },
    { title: 'Effective / 1M', align: 'right' },
    { title: 'Bill / month', align: 'right' },
    { title: 'Saving', align: 'right' },
    { title: 'Latency', align: 'right' },
    { title: 'Timeouts', align: 'right' },
  ] as const;
  const rows = bills.map(({ offer, ...bill }, index) => [
    offer.provider,
    offer.model,
    formatUsd(offer.price.inputNanoUsdPerMillion, 2),
    `${offer.price.cjkMultiplierPercent / 100}x`,
    formatUsd(bill.effectiveNanoUsdPerMillion, 2),
    withThousands(formatUsd(bill.monthlyNanoUsd, 2)),
    index === 0 ? '' : `${bill.savingPercent}%`,
    offer.averageLatencyMs === null ? '' : `${offer.averageLatencyMs} ms`,
    offer.timeoutPercent === null ? '' : `${offer.timeoutPercent}%`,
  ]);
  return [
    pc.bold(`${tokens.toLocaleString('en-US')} tokens per month, ${asPercent(cjkShare)} of the text CJK`),
    renderTable(columns, rows),
    'Prices, latencies and timeouts are as the migration guide states them; nothing was measured here. The legacy base',
    'rate is derived: $8.40/1M with a CJK multiplier of 3 means $2.80 if all text is CJK.',
    '',
    pc.bold("The guide's own figures"),
    ...figures.map(({ claim, holds, arithmetic }) => `  ${mark(holds)} ${claim}: ${arithmetic}.`),
  ];
}

function mark(holds: boolean): string {
  return holds ? pc.green('✓ adds up        ') : pc.red('✗ does not add up');
}

function asJson(bills: readonly Bill[], figures: readonly FigureCheck[], tokens: number, cjkShare: number): object {
  return {
    tokens,
    cjk_share: cjkShare,
    bills: bills.map(({ offer, ...bill }) => ({
      provider: offer.provider,
      model: offer.model,
      base_usd_per_million: toUsd(offer.price.inputNanoUsdPerMillion),
      cjk_multiplier: offer.price.cjkMultiplierPercent / 100,
      effective_usd_per_million: toUsd(bill.effectiveNanoUsdPerMillion),
      monthly_usd: toUsd(bill.monthlyNanoUsd),
      saving_percent: bill.savingPercent,
      average_latency_ms: offer.averageLatencyMs,
      timeout_percent: offer.timeoutPercent,
    })),
    guide_figures: figures,
  };
}

function parseTokens(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)([kmb]?)$/i.exec(text.replace(/[,_]/g, '')) ?? [];
  const factor = { '': 1, k: 1e3, m: 1e6, b: 1e9 }[unit?.toLowerCase() ?? ''] ?? 1;
  const tokens = Math.round(Number(digits) * factor);
  if (!(tokens >= 1 && tokens <= maxComparedTokens)) {
    throw new InvalidArgumentError('Give a number of tokens such as 500M, 2.5B or 750000, up to 100B.');
  }
  return tokens;
}

function parsePercent(text: string): number {
  const percent = Number(text.replace(/%$/, ''));
  if (text.trim() === '' || !(percent >= 0 && percent <= 100)) {
    throw new InvalidArgumentError('A share is a percentage from 0 to 100.');
  }
  return percent / 100;
}
