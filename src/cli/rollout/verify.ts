import { Command } from 'commander';
import pc from 'picocolors';
import { exitStatus } from '../exit-status';
import { writeJson, writeLines } from '../../terminal/output';
import { type AuditProblem, verifyAudit } from '../../operator/audit-chain';
import { withOperator } from '../../operator/rollout-operator';

/** `bellwether rollout verify`: whether the audit trail is whole, unaltered, and its verdicts follow from what they saw. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('check the audit trail: hashes, missing rows, and every verdict decided again')
    .argument('[name]', 'decide the verdicts of this rollout alone again (default: of all); the chain is one over all')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit status: 0 all is well, 1 something is not, 2 wrong usage or configuration.')
    .action(async (name: string | undefined, { json }: { json?: boolean }) => {
      process.exitCode = await verify(name, json);
    });
}

async function verify(name: string | undefined, json: boolean | undefined): Promise<number> {
  const { problem, rows, rollouts } = await withOperator((operator) => verifyAudit(operator.rollouts, name));
  if (json) writeJson({ ok: problem === null, rows, rollouts, problem });
  else if (problem === null) {
    writeLines([
      pc.green(
        `✓ ${rows} rows of ${rollouts} ${rollouts === 1 ? 'rollout' : 'rollouts'} are whole, and every verdict follows.`,
      ),
    ]);
  } else writeLines([pc.red(`✗ ${describe(problem)}`)]);
  return problem === null ? exitStatus.ok : exitStatus.failed;
}

function describe({ position, rollout, sequence, problem }: AuditProblem): string {
  return position === null ? problem : `Row ${position} (decision ${sequence} of ${rollout}): ${problem}.`;
}
