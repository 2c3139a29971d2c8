import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** One call as seen by the provider: the ground truth for checking a ledger. */
export interface SimulatedCall {
  /** Unique, even across simulators that append to the same file. */
  readonly id: string;
  /** The `x-request-id` header. */
  readonly requestId: string | null;
  /** null if the request had no readable model name. */
  readonly model: string | null;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** When a stream sent its first token; null if it sent none, or if the answer was not streamed. */
  readonly firstTokenAtMs: number | null;
  readonly endedAtMs: number | null;
  /** The HTTP status; null if no headers were sent. */
  readonly status: number | null;
  /**
   * `answered`: a complete and usable answer was sent. `faulty`: an unusable answer was sent. `refused`: an error status was
   * sent. `reset`: the provider reset the connection. `aborted-by-client`: the client disconnected first.
   */
  readonly outcome: 'in-progress' | 'answered' | 'faulty' | 'refused' | 'reset' | 'aborted-by-client';
  /** The kind of the simulated fault; null if there was none. */
  readonly fault: string | null;
  readonly promptTokens: number;
  /** For a stream that ended early: what was sent until then. */
  readonly completionTokens: number;
  readonly charged: boolean;
}

export type CallStart = Pick<SimulatedCall, 'requestId' | 'model' | 'fault' | 'promptTokens' | 'completionTokens'>;
export type CallEnd = Pick<SimulatedCall, 'outcome' | 'status' | 'charged'> &
  Partial<Pick<SimulatedCall, 'completionTokens' | 'firstTokenAtMs'>>;

/**
 * All received calls, in memory and optionally in a file of JSON lines: one line when a call starts and one when it ends.
 * Lines are written before anything is sent, so that no call is missing even if the simulator is killed.
 */
export class CallLog {
  private readonly entries = new Map<string, SimulatedCall>();
  private readonly idPrefix = `${process.pid}-${Date.now().toString(36)}`;
  private count = 0;
  private file: number | null;

  constructor(path: string | undefined) {
    this.file = path === undefined ? null : openSync(path, 'a');
  }

  begin(start: CallStart): SimulatedCall {
    this.count += 1;
    const call: SimulatedCall = {
      id: `${this.idPrefix}-${this.count}`,
      ...start,
      startedAtMs: Date.now(),
      firstTokenAtMs: null,
      endedAtMs: null,
      status: null,
      outcome: 'in-progress',
      charged: false,
    };
    this.entries.set(call.id, call);
    this.append(call);
    return call;
  }

  end(call: SimulatedCall, end: CallEnd): void {
    const ended = { ...call, ...end, endedAtMs: Date.now() };
    // A call that was in flight when the log was cleared stays forgotten.
    if (this.entries.has(call.id)) this.entries.set(call.id, ended);
    this.append(ended);
  }

  /** In the order in which they started. */
  calls(): readonly SimulatedCall[] {
    return [...this.entries.values()];
  }

  /** Forgets all calls that have started so far; the file is kept. */
  clear(): void {
    this.entries.clear();
  }

  close(): void {
    if (this.file !== null) closeSync(this.file);
    this.file = null;
  }

  private append(call: SimulatedCall): void {
    if (this.file !== null) writeSync(this.file, `${JSON.stringify(call)}\n`);
  }
}

/** Reads the calls of a log file, in the order in which they started. Calls that a killed simulator left unfinished are `in-progress`. */
export function readCallLog(path: string): readonly SimulatedCall[] {
  const calls = new Map<string, SimulatedCall>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '') continue;
    const call = JSON.parse(line) as SimulatedCall;
    calls.set(call.id, call);
  }
  return [...calls.values()];
}
