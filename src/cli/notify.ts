import { randomUUID } from 'node:crypto';
import { Command } from 'commander';
import pc from 'picocolors';
import { loadSettings } from '../config/load-settings';
import { addressProblems } from '../config/notify';
import { SettingsError } from '../config/settings';
import type { Notification, NotifyTarget, TargetDeliveries } from '../contract/notifications';
import { send, type SendResult } from '../notify/send';
import { withLedger } from '../operator/open-ledger';
import { formatTime } from '../terminal/format';
import { renderTable, writeJson, writeLines } from '../terminal/output';
import { exitStatus, exitStatusHelp, UsageError } from './exit-status';

/** `bellwether notify`: who is told what happens. */
export function notifyCommand(): Command {
  const command = new Command('notify').description('see who is told what happens, and send a test');
  for (const subcommand of [listCommand(), testCommand()]) command.addCommand(subcommand.exitOverride());
  return command.addHelpText('after', '\nEach command has its own help: bellwether notify test --help');
}

const noTargets =
  'Nobody is told anything: the configuration has no `notify`. docs/operations.md, "Webhooks", says how to add somebody.';

interface ListedTarget extends Omit<TargetDeliveries, 'target'> {
  readonly target: NotifyTarget;
}

/** `bellwether notify list`: no address or secret, not even to the operator's terminal. */
function listCommand(): Command {
  return new Command('list')
    .description('show targets with what was delivered in the last week, what waits and what went wrong')
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action(async ({ json }: { json?: boolean }) => {
      const listed = await withLedger(
        async (ledger, { notify }) => join(notify, await ledger.notifications.deliveries()),
        (_, { notify }) => join(notify, []),
      );
      if (json) writeJson(listed.map(asJson));
      else if (listed.length > 0) writeLines([asTable(listed)]);
      else writeLines([noTargets]);
    });
}

function join(targets: readonly NotifyTarget[], deliveries: readonly TargetDeliveries[]): readonly ListedTarget[] {
  const nothing = { delivered: 0, waiting: 0, givenUp: 0 };
  const never = { oldestWaitingAtMs: null, lastDeliveredAtMs: null, lastError: null };
  return targets.map((target) => ({
    ...nothing,
    ...never,
    ...deliveries.find((each) => each.target === target.name),
    target,
  }));
}

function asJson({ target, oldestWaitingAtMs, lastDeliveredAtMs, ...counts }: ListedTarget): object {
  return {
    name: target.name,
    format: target.format,
    events: [...target.events],
    address: target.source,
    delivered: counts.delivered,
    waiting: counts.waiting,
    given_up: counts.givenUp,
    oldest_waiting_at: isoOrNull(oldestWaitingAtMs),
    last_delivered_at: isoOrNull(lastDeliveredAtMs),
    last_error: counts.lastError,
  };
}

function isoOrNull(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}

function asTable(listed: readonly ListedTarget[]): string {
  return renderTable(
    [
      { title: 'name' },
      { title: 'format' },
      { title: 'address' },
      { title: 'delivered', align: 'right' },
      { title: 'waiting', align: 'right' },
      { title: 'given up', align: 'right' },
      { title: 'last delivered' },
      { title: 'last error' },
    ],
    listed.map(({ target, delivered, waiting, givenUp, lastDeliveredAtMs, lastError }) => [
      target.name,
      target.format,
      target.source,
      `${delivered}`,
      `${waiting}`,
      `${givenUp}`,
      lastDeliveredAtMs === null ? 'never' : formatTime(lastDeliveredAtMs),
      lastError ?? '',
    ]),
  );
}

/** `bellwether notify test`: sends from here, now, once, and not by way of the ledger. */
function testCommand(): Command {
  return new Command('test')
    .description('send a test from here, and show what came back')
    .argument('[name]', 'the target; all unless given')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit status: 0 all targets accepted it, 1 one did not, 2 wrong usage or configuration.')
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      const targets = chosen(loadSettings().notify, name);
      const problems = addressProblems(targets);
      if (problems.length > 0) throw new SettingsError(problems);
      const results = await Promise.all(targets.map(sendTest));
      if (json) writeJson(results.map(resultAsJson));
      else writeLines(results.flatMap(resultAsLines));
      const isAccepted = results.every(({ result }) => result.kind === 'delivered');
      process.exitCode = isAccepted ? exitStatus.ok : exitStatus.failed;
    });
}

function chosen(targets: readonly NotifyTarget[], name: string | undefined): readonly NotifyTarget[] {
  if (targets.length === 0) throw new UsageError(noTargets);
  if (name === undefined) return targets;
  const found = targets.filter((target) => target.name === name);
  if (found.length > 0) return found;
  const names = targets.map((target) => target.name).join(', ');
  throw new UsageError(`No target is named ${name}. There are: ${names}.`);
}

interface TestResult {
  readonly target: NotifyTarget;
  readonly result: SendResult;
  readonly tookMs: number;
}

async function sendTest(target: NotifyTarget): Promise<TestResult> {
  const test: Notification = {
    id: `msg_${randomUUID()}`,
    event: 'test',
    rollout: null,
    title: 'This is a test of Bellwether',
    text: `Nothing has happened. ${target.name} is told what happens to rollouts, budgets and providers.`,
    facts: {},
    createdAtMs: Date.now(),
  };
  const beganAtMs = performance.now();
  const result = await send(target, test, new AbortController().signal);
  return { target, result, tookMs: Math.round(performance.now() - beganAtMs) };
}

/** Of an answer; more does not help. */
const maxShownLength = 200;

function resultAsJson({ target, result, tookMs }: TestResult): object {
  const { kind, status, answer } = result;
  const error = result.kind === 'failed' ? result.error : null;
  return { name: target.name, result: kind, status, error, answer: answer.slice(0, maxShownLength), ms: tookMs };
}

function resultAsLines({ target, result, tookMs }: TestResult): readonly string[] {
  const { answer, status } = result;
  const shown = answer.slice(0, maxShownLength).replaceAll(/\s+/g, ' ').trim();
  const what = result.kind === 'delivered' ? `it answered ${status}` : result.error;
  const mark = result.kind === 'delivered' ? pc.green('✓') : pc.red('✗');
  return [`${mark} ${pc.bold(target.name)}: ${what}, after ${tookMs} ms`, ...(shown === '' ? [] : [`    ${shown}`])];
}
