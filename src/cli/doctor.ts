import { Command } from 'commander';
import pc from 'picocolors';
import { configurationVersion } from '../config/configuration-version';
import { loadSettings } from '../config/load-settings';
import { type Settings, SettingsError } from '../config/settings';
import { readPackageInfo } from '../platform/package-info';
import { writeJson, writeLines } from '../terminal/output';
import { printable } from '../terminal/printable';
import { type Check, type CheckResult, runChecks } from './checks/check';
import { notifyChecks } from './checks/notify';
import { providerChecks } from './checks/providers';
import { rolloutCheck } from './checks/rollout';
import { metricsCheck } from './checks/signals';
import { auditKeysCheck, dataDirectoryCheck, encryptionCheck, ledgerCheck, redisCheck } from './checks/stores';
import { stuckCheck, temporalCheck, workerCheck } from './checks/temporal';
import { exitStatus } from './exit-status';

/** `bellwether doctor`: checks every part, side by side. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'check configuration, providers, Temporal, worker, disk, ledger, rollout, Redis, encryption, audit keys, metrics, versions',
    )
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
        workerCheck(settings),
        stuckCheck(settings),
        dataDirectoryCheck(settings),
        ledgerCheck(settings),
        rolloutCheck(settings),
        redisCheck(settings),
        encryptionCheck(settings),
        auditKeysCheck(settings),
        ...notifyChecks(settings),
        metricsCheck(settings),
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
    const version = configurationVersion(settings);
    const detail = `version ${version}; arms ${arms}; all turns go to ${settings.policy.defaultArm} unless a rollout says otherwise`;
    return { configuration: { name, status: 'ok', detail }, settings };
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const advice = 'Fix these, then run this again: the other parts cannot be checked until then.';
    return { configuration: { name, status: 'failed', detail: error.problems.join('\n'), advice } };
  }
}

const marks = { ok: pc.green('✓'), failed: pc.red('✗'), skipped: pc.dim('–') } as const;

function asLines({ name, status, detail, advice }: CheckResult): readonly string[] {
  // It may quote providers and servers.
  const [first = '', ...more] = printable(detail).split('\n');
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

function versionCheck(): Check {
  const { version, engines } = readPackageInfo();
  return {
    name: 'Versions',
    advice: 'Install again: npm ci',
    run() {
      const node = process.versions.node;
      const needed = engines.node.replace(/^>=/, '');
      const detail = `Bellwether ${version}, Temporal SDK ${sdkVersion()}, Node ${node}`;
      const isNewEnough = node.localeCompare(needed, 'en', { numeric: true }) >= 0;
      if (isNewEnough) return { status: 'ok', detail };
      return { status: 'failed', detail, advice: `Install Node ${needed} or newer; the current LTS will do.` };
    },
  };
}

function sdkVersion(): string {
  // oxlint-disable-next-line typescript/no-require-imports -- read at run time, so that it is the version in use
  return (require('@temporalio/client/package.json') as { version: string }).version;
}
