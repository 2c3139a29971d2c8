import { type LedgerLocation, openLedger } from '../../../src/ledger/open-ledger';
import { admitRequest, settled, turnRecord } from '../requests';

export interface RunTurns {
  readonly location: LedgerLocation;
  readonly name: string;
  readonly turns: number;
  /** Turns that run concurrently. */
  readonly callers: number;
  readonly worstCaseNanoUsd: number;
  readonly costNanoUsd: number;
  readonly dayCapNanoUsd: number;
}

/** Runs turns and writes a line for each step that the ledger has acknowledged. */
async function main(): Promise<void> {
  const run = JSON.parse(process.argv[2] ?? '') as RunTurns;
  const ledger = await openLedger(run.location);
  const caps = { sessionNanoUsd: run.dayCapNanoUsd, dayNanoUsd: run.dayCapNanoUsd };
  let next = 0;
  const caller = async (number: number): Promise<void> => {
    while (next < run.turns) {
      const turnId = `${run.name}-${(next += 1)}`;
      const sessionId = `${run.name}-${number}`;
      const admission = await ledger.admit(admitRequest(turnId, run.worstCaseNanoUsd, { caps, sessionId }));
      process.stdout.write(`${admission.kind} ${turnId}\n`);
      if (admission.kind !== 'admitted') continue;
      await ledger.recordTurn(turnRecord(turnId, [settled(admission.attempt, run.costNanoUsd)]));
      process.stdout.write(`recorded ${turnId}\n`);
    }
  };
  await Promise.all(Array.from({ length: run.callers }, (_, number) => caller(number)));
  await ledger.close();
}

void main();
