import { Command } from 'commander';
import pc from 'picocolors';
import { exitStatus } from '../exit-status';
import { writeJson, writeLines } from '../../terminal/output';
import { type AuditProblem, verifyAudit } from '../../operator/audit-chain';
import { withOperator } from '../../operator/rollout-operator';

/** `bellwether rollout verify`: checks that the audit trail is complete and unaltered, and that its decisions follow from their evidence. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('check the audit trail: its hashes, its rows, and every decision, which is recomputed')
    .argument(
      '[name]',
      'recompute only the decisions of this rollout (default: all); the chain of hashes covers all rollouts',
    )
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit status: 0 the audit trail is intact, 1 it is not, 2 wrong usage or configuration.')
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
        `✓ ${rows} rows of ${rollouts} ${rollouts === 1 ? 'rollout' : 'rollouts'} are intact, and every decision follows from its evidence.`,
      ),
    ]);
  } else writeLines([pc.red(`✗ ${describe(problem)}`)]);
  return problem === null ? exitStatus.ok : exitStatus.failed;
}

function describe({ position, rollout, sequence, problem }: AuditProblem): string {
  return position === null ? problem : `Row ${position} (decision ${sequence} of ${rollout}): ${problem}.`;
}
