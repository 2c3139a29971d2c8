import { setImmediate as nextTurnOfEventLoop } from 'node:timers/promises';
import type { KeyRing } from '../contract/key-ring';
import type { Ledger } from '../contract/ledger';
import type { PageReads, Verification } from '../contract/page-ledger';
import type { AuditRow } from '../contract/rollout-ledger';
import { findWrongDecision } from '../domain/rollout/verify';
import { type AuditProblem, chainProblem, describeProblem, headProblem, problemOf, splitProblem } from './audit-chain';

type Verified = Omit<Verification, 'atMs'>;
type Trail = Pick<Ledger, 'rollouts'> & { readonly page: Pick<PageReads, 'auditRowsAfter' | 'decisions'> };

/** To compute so many decisions again takes some milliseconds, during which the event loop stops. */
const rowsAtOnce = 8;
/** Hours of work for a trail that is longer than any, so a step ends here; the next one goes on. */
const mostRows = 20_000;

/**
 * Verifies the rows after a position that is known to be intact, as `rollout verify` does, but never all at once. It does not
 * ask Temporal, and takes plain hashes from before there were keys for what they are: only an operator knows how old they are.
 */
export async function verifyInSteps(trail: Trail, keys: KeyRing | undefined, after: number): Promise<Verified> {
  let before = await rowAt(trail, after);
  // The rows that were intact are gone, which only a whole verification can tell.
  if (before === null && after > 0) return verifyInSteps(trail, keys, 0);
  for (let rows = 0; rows < mostRows;) {
    const head = await trail.rollouts.auditHead();
    const split = await trail.rollouts.split();
    const next = await trail.page.auditRowsAfter(before?.position ?? 0, rowsAtOnce);
    if (next.length === 0) {
      const last = before === null ? [] : [before];
      const problem = headProblem({ rows: last, head }) ?? splitProblem({ rows: last, split });
      // A row that was recorded between these reads.
      const isSame = head?.position === (before?.position ?? undefined);
      const more = isSame ? [] : await trail.page.auditRowsAfter(before?.position ?? 0, 1);
      if (more.length === 0) return verified(before, problem, true);
      continue;
    }
    const problem =
      chainProblem(next, { keys, unkeyedUntil: Infinity }, before) ?? (await decisionProblem(trail, next));
    if (problem !== null) return verified(before, problem, false);
    before = next.at(-1) ?? before;
    rows += next.length;
    await nextTurnOfEventLoop();
  }
  return verified(before, null, false);
}

async function rowAt(trail: Trail, position: number): Promise<AuditRow | null> {
  if (position === 0) return null;
  const [row] = await trail.page.auditRowsAfter(position - 1, 1);
  return row?.position === position ? row : null;
}

async function decisionProblem(trail: Trail, rows: readonly AuditRow[]): Promise<AuditProblem | null> {
  for (const rollout of new Set(rows.map((row) => row.rollout))) {
    const own = rows.filter((row) => row.rollout === rollout);
    const first = own[0]?.sequence ?? 1;
    const [known] = first === 1 ? [] : await trail.page.decisions(rollout, [first - 1]);
    const wrong = findWrongDecision(own, known === undefined ? null : { ...known, rollout });
    const row = own.find(({ sequence }) => sequence === wrong?.sequence) ?? own[0];
    if (wrong !== null && row !== undefined) return problemOf(row, wrong.problem);
  }
  return null;
}

function verified(last: AuditRow | null, problem: AuditProblem | null, isWhole: boolean): Verified {
  const position = last?.position ?? 0;
  if (problem !== null) return { isIntact: false, message: describeProblem(problem), position };
  const rest = isWhole ? '' : ' The rows that follow are still to be verified.';
  const message =
    position === 0
      ? 'There is no row yet.'
      : `Rows 1 to ${position} are intact, and every decision follows from its evidence.${rest}`;
  return { isIntact: true, message, position };
}
