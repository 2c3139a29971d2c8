import type { ModelPrice } from '../../src/contract/policy';
import type { AttemptRow } from '../../src/contract/ledger';
import type { SimulatedCall } from '../../src/local/simulator/call-log';

/**
 * Returns one line for each difference between a ledger and the provider's own log; empty if they agree. A call and its
 * row have the same id, `{turnId}.{attempt}`. Only a row that the ledger calls unconfirmed or released may lack a call,
 * and only an unconfirmed one may lack the call's tokens.
 */
export function disagreements(rows: readonly AttemptRow[], calls: readonly SimulatedCall[]): readonly string[] {
  const found: string[] = [];
  const rowsById = new Map(rows.map((row) => [`${row.turnId}.${row.attempt}`, row]));
  const callsById = new Map<string, SimulatedCall>();
  for (const call of calls) {
    const id = String(call.requestId);
    if (callsById.has(id)) found.push(`call ${id} was made twice`);
    callsById.set(id, call);
    if (!rowsById.has(id)) found.push(`call ${id} is not in the ledger`);
  }
  for (const [id, row] of rowsById) {
    const difference = differenceOf(row, callsById.get(id));
    if (difference) found.push(`row ${id} ${difference}`);
  }
  return found;
}

function differenceOf(row: AttemptRow, call: SimulatedCall | undefined): string | null {
  switch (row.state) {
    case 'reserved':
      return 'is still open';
    case 'unconfirmed':
      return null;
    case 'released':
      return call?.charged ? 'is free, but its call was charged' : null;
    case 'settled':
      break;
  }
  if (!call) return 'is settled without a call';
  const isSame =
    call.charged &&
    call.model === row.model &&
    call.promptTokens === row.promptTokens &&
    call.completionTokens === row.completionTokens;
  return isSame ? null : `is not what was charged: ${JSON.stringify({ row, call })}`;
}

/** The provider's bill in nano-dollars: whole tokens at the price of their side, without CJK surcharge. */
export function billedNanoUsd(calls: readonly SimulatedCall[], price: ModelPrice): number {
  return calls
    .filter((call) => call.charged)
    .reduce((sum, { promptTokens, completionTokens }) => {
      const nanoUsdTimesMillion =
        promptTokens * price.inputNanoUsdPerMillion + completionTokens * price.outputNanoUsdPerMillion;
      return sum + Math.ceil(nanoUsdTimesMillion / 1_000_000);
    }, 0);
}

/** `{ settled: 3, unconfirmed: 1 }` */
export function countBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
  return counts;
}
