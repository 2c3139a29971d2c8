import { setImmediate } from 'node:timers/promises';
import type { Ledger } from '../../../src/contract/ledger';
import { type LedgerLocation, openLedger } from '../../../src/ledger/open-ledger';
import { readEvidence } from '../user-rollouts';
import { runUserTurn } from '../user-turns';

export interface RunUserTurns {
  readonly location: LedgerLocation;
  readonly rollout: string;
  readonly name: string;
  readonly callers: number;
  /** Excludes everything again and again, and takes it back. */
  readonly excludes?: boolean;
}

/** Runs turns of few users without end, and counts them meanwhile. Writes a line for every turn and every count. */
async function main(): Promise<void> {
  const { location, rollout, name, callers, excludes = false } = JSON.parse(process.argv[2] ?? '') as RunUserTurns;
  const ledger = await openLedger(location);
  let next = 0;
  const call = async (): Promise<never> => {
    for (;;) {
      await runUserTurn(ledger, { rollout, turnId: `${name}-${(next += 1)}`, number: next });
      process.stdout.write('turn\n');
      // With SQLite, a turn is microtasks alone: counting would never come about.
      await setImmediate();
    }
  };
  const counting = excludes ? exclude(ledger, rollout) : count(ledger);
  await Promise.all([counting, ...Array.from({ length: callers }, call)]);
}

async function count(ledger: Ledger): Promise<never> {
  for (;;) {
    if ((await ledger.rollouts.countUsers()) > 0) process.stdout.write('count\n');
    await setImmediate();
  }
}

async function exclude(ledger: Ledger, rollout: string): Promise<never> {
  for (;;) {
    for (const excluded of [[{ fromMs: 0, toMs: Date.now() }], []]) {
      await readEvidence(ledger, rollout, { excluded });
      process.stdout.write('count\n');
      await setImmediate();
    }
  }
}

void main();
