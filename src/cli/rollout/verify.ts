import { Command, InvalidArgumentError } from 'commander';
import pc from 'picocolors';
import type { AuditHead } from '../../contract/rollout';
import { exitStatus } from '../exit-status';
import { writeJson, writeLines } from '../../terminal/output';
import { type AuditReport, describeProblem, intactSentence, verifyAudit } from '../../operator/audit-chain';
import { withOperator } from '../../operator/rollout-operator';

interface VerifyFlags {
  readonly expectHead?: AuditHead;
  readonly unkeyedUntil?: number;
  readonly json?: boolean;
}

/** `bellwether rollout verify`: checks that the audit trail is complete and unaltered, and that its decisions follow from their evidence. */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('check the audit trail: its hashes, its rows, and every decision, which is recomputed')
    .argument(
      '[name]',
      'recompute only the decisions of this rollout (default: all); the chain of hashes covers all rollouts',
    )
    .option(
      '--expect-head <position:hash>',
      'the head that an earlier run printed: fails unless that row is still there',
      parseHead,
    )
    .option(
      '--unkeyed-until <position>',
      'accept rows without a keyed hash up to this one, because they are older than your keys',
      parsePosition,
    )
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExit status: 0 the audit trail is intact, 1 it is not, 2 wrong usage or configuration.')
    .action(async (name: string | undefined, flags: VerifyFlags) => {
      process.exitCode = await verify(name, flags);
    });
}

function parseHead(text: string): AuditHead {
  const [, position, hash] = /^([1-9]\d{0,9}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (position === undefined || hash === undefined) {
    throw new InvalidArgumentError(
      'Expected the position and hash of a row, as `rollout verify` prints them: 36:9f86d081…',
    );
  }
  return { position: Number(position), hash };
}

function parsePosition(text: string): number {
  if (!/^\d{1,10}$/.test(text))
    throw new InvalidArgumentError('Expected the position of a row: a whole number of at least 0.');
  return Number(text);
}

async function verify(name: string | undefined, { expectHead, unkeyedUntil, json }: VerifyFlags): Promise<number> {
  const report = await withOperator(async (operator, { auditKeys }) => {
    // Read before the ledger: otherwise a row that a workflow records in between would seem to be missing.
    const recordedRows = await operator.recordedRows();
    const anchors = { keys: auditKeys, unkeyedUntil, expectedRow: expectHead, recordedRows };
    const audited = await verifyAudit(operator.rollouts, name, anchors);
    await operator.keepVerification(audited, name);
    return audited;
  });
  const { problem } = report;
  if (json) writeJson(asJson(report));
  else if (problem === null) writeLines(describeIntact(report));
  else writeLines([pc.red(`✗ ${describeProblem(problem)}`)]);
  return problem === null ? exitStatus.ok : exitStatus.failed;
}

function asJson({ problem, rows, rollouts, head, unkeyedRows, keyIds, confirmedUntil }: AuditReport): object {
  return {
    ok: problem === null,
    rows,
    rollouts,
    problem,
    head: head === null ? null : formatHead(head),
    unkeyed_rows: unkeyedRows,
    key_ids: keyIds,
    confirmed_until: confirmedUntil,
  };
}

function formatHead({ position, hash }: AuditHead): string {
  return `${position}:${hash}`;
}

function describeIntact(report: AuditReport): readonly string[] {
  const { head } = report;
  const intact = `✓ ${intactSentence(report)}`;
  if (head === null) return [pc.green(intact)];
  return [
    pc.green(intact),
    `  Hashes: ${describeKeys(report)}`,
    `  Temporal: ${describeConfirmation(report)}`,
    `  Head: ${formatHead(head)}`,
    pc.dim(
      '  Keep the head outside the database: later, `rollout verify --expect-head` proves that its row and all before it are still there.',
    ),
  ];
}

function describeKeys({ rows, unkeyedRows, keyIds }: AuditReport): string {
  const keyed = `with key ${keyIds.join(', ')}`;
  if (unkeyedRows === 0) return `all keyed, ${keyed}.`;
  const plain =
    unkeyedRows === rows
      ? 'none is keyed, so anyone who can write to the database could have forged all of them'
      : `rows 1 to ${unkeyedRows} are not keyed: anyone who could write to the database before row ${unkeyedRows + 1} was written could have forged them. The rest are keyed, ${keyed}`;
  return `${plain}.`;
}

function describeConfirmation({ rows, confirmedUntil }: AuditReport): string {
  if (confirmedUntil === null) return 'did not answer, so its histories were not compared.';
  if (confirmedUntil === 0) {
    return 'no history contains a row to compare: the rollouts are older than its retention or this check.';
  }
  if (confirmedUntil === rows) return 'the histories of the rollouts confirm all rows.';
  const rest = confirmedUntil + 1 === rows ? `Row ${rows} is` : `Rows ${confirmedUntil + 1} to ${rows} are`;
  return `the histories of the rollouts confirm the rows up to ${confirmedUntil}. ${rest} only in the ledger, as after a rollback without a workflow. Only a head that you have kept can prove that no later row is missing.`;
}
