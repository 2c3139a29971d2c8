import type { SimulatedCall } from '../src/local/simulator/call-log';

/** The provider's log of one measurement, by turn. */
export class ProviderLog {
  private readonly byTurn = new Map<string, SimulatedCall[]>();

  constructor(calls: readonly SimulatedCall[]) {
    for (const call of calls) {
      // Request ids are `{turnId}.{attempt}`.
      const turnId = call.requestId?.split('.')[0] ?? '';
      const ofTurn = this.byTurn.get(turnId);
      if (ofTurn === undefined) this.byTurn.set(turnId, [call]);
      else ofTurn.push(call);
    }
  }

  /** Calls beyond one per turn. */
  get extraCalls(): number {
    return [...this.byTurn.values()].reduce((extra, ofTurn) => extra + ofTurn.length - 1, 0);
  }

  /** The provider's own time for a turn's whole answer, and to its first token if it was streamed. */
  timesOf(turnId: string): { readonly wholeMs: number; readonly firstTokenMs: number | null } {
    const call = this.byTurn.get(turnId)?.at(-1);
    if (call === undefined || call.endedAtMs === null) {
      throw new Error(`The provider's log has no finished call of turn ${turnId}, though the turn was answered.`);
    }
    const { startedAtMs, endedAtMs, firstTokenAtMs } = call;
    return {
      wholeMs: endedAtMs - startedAtMs,
      firstTokenMs: firstTokenAtMs === null ? null : firstTokenAtMs - startedAtMs,
    };
  }
}
