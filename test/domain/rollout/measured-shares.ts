import { renderTable } from '../../../src/terminal/output';
import { withinSamplingError } from './simulated-traffic';

/** What long simulations measured, printed when all are done: the table of docs/rollout.md comes from here. */
export class MeasuredShares {
  private readonly rows: string[][] = [];

  tell(truth: string, what: string, share: number, promised: string): void {
    this.rows.push([truth, what, percent(share), promised]);
  }

  expectAtMost(truth: string, what: string, share: number, bound: number, runs: number): void {
    this.tell(truth, what, share, `≤ ${percent(bound)}`);
    expect(share).toBeLessThanOrEqual(withinSamplingError(bound, runs));
  }

  print(): void {
    const columns = ['Truth', 'Measured', 'Share of runs', 'Promised'].map((title) => ({ title }));
    process.stdout.write(`${renderTable(columns, this.rows, false)}\n`);
  }
}

export function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))}%`;
}
