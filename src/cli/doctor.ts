import { Command } from 'commander';
import pc from 'picocolors';
import { loadSettings } from '../config/load-settings';
import type { Settings } from '../config/settings';
import { SettingsError } from '../config/settings-error';
import { runChecks, type CheckResult } from './checks/check';
import { encryptionCheck } from './checks/encryption';
import { ledgerCheck } from './checks/ledger';
import { providerChecks } from './checks/providers';
import { redisCheck } from './checks/redis';
import { stuckCheck } from './checks/stuck';
import { temporalCheck } from './checks/temporal';
import { versionCheck } from './checks/versions';
import { exitStatus } from './exit-status';
import { writeJson, writeLines } from './output';

/** `bellwether doctor`: checks every part, side by side. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('check configuration, providers, Temporal, ledger, Redis, encryption and versions')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit status: 0 everything in use works, 1 something does not, 2 wrong usage.')
    .action(async ({ json }: { json?: boolean }) => {
      const results = await examine();
      const ok = results.every(({ status }) => status !== 'failed');
      if (json) writeJson({ ok, checks: results });
      else writeLines([...results.flatMap(asLines), '', conclusion(results)]);
      process.exitCode = ok ? exitStatus.ok : exitStatus.failed;
    });
}

async function examine(): Promise<readonly CheckResult[]> {
  const { configuration, settings } = readConfiguration();
  const checks = settings
    ? [
        versionCheck(),
        ...providerChecks(settings),
        temporalCheck(settings),
        stuckCheck(settings),
        ledgerCheck(settings),
        redisCheck(settings),
        encryptionCheck(settings),
      ]
    : [versionCheck()];
  const [versions, ...others] = await runChecks(checks);
  return [...(versions ? [versions] : []), configuration, ...others];
}

function readConfiguration(): { readonly configuration: CheckResult; readonly settings?: Settings } {
  const name = 'Configuration';
  try {
    const settings = loadSettings();
    const arms = Object.keys(settings.policy.arms).join(', ');
    const detail = `arms ${arms}; all turns to ${settings.policy.defaultArm} while no rollout says otherwise`;
    return { configuration: { name, status: 'ok', detail }, settings };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const advice = 'Mend these, then run this again: the other parts cannot be checked before.';
    return { configuration: { name, status: 'failed', detail: error.problems.join('\n'), advice } };
  }
}

const marks = { ok: pc.green('✓'), failed: pc.red('✗'), skipped: pc.dim('–') } as const;

function asLines({ name, status, detail, advice }: CheckResult): readonly string[] {
  const [first = '', ...more] = detail.split('\n');
  const indent = ' '.repeat(4);
  return [
    `${marks[status]} ${pc.bold(name)}: ${first}`,
    ...more.map((line) => indent + line),
    ...(advice === undefined
      ? []
      : [indent + (status === 'failed' ? pc.yellow(`→ ${advice}`) : pc.dim(`→ ${advice}`))]),
  ];
}

function conclusion(results: readonly CheckResult[]): string {
  const failed = results.filter(({ status }) => status === 'failed').length;
  if (failed === 0) return 'Everything in use works.';
  return `${failed} of ${results.length} checks failed.`;
}
