import { Command } from 'commander';
import { exitStatusHelp } from '../exit-status';
import { writeJson, writeLines } from '../output';
import { livenessOf, withOperatorIfAny } from './liveness';
import { findRollout, useLedger } from './rollout-ledger';
import { readView } from './rollout-view';
import { statusAsJson } from './status-json';
import { statusLines } from './status-lines';

/** `bellwether rollout status`: how things stand, also while Temporal is away. */
export function statusCommand(): Command {
  return new Command('status')
    .description('show where a rollout stands: phase, split, evidence, what is missing')
    .argument('[name]', 'the rollout (default: the most recent one)')
    .option('--json', 'print JSON')
    .addHelpText('after', `\n${exitStatusHelp}`)
    .action((name: string | undefined, { json }: { json?: boolean }) => showStatus(name, json));
}

async function showStatus(name: string | undefined, json: boolean | undefined): Promise<void> {
  const view = await useLedger(async ({ rollouts }) => {
    const known = await findRollout(rollouts, name);
    const workflow = await withOperatorIfAny((client) => livenessOf(client, known.spec.name));
    return readView(rollouts, known, workflow, Date.now());
  });
  if (json) writeJson(statusAsJson(view));
  else writeLines(statusLines(view));
}
