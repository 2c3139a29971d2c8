import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/** One call as the provider saw it: the truth that a ledger is compared with. */
export interface SimulatedCall {
  /** Unique, also among simulators that append to the same file. */
  readonly id: string;
  /** The `x-request-id` header. */
  readonly requestId: string | null;
  /** null when the request named none that could be read. */
  readonly model: string | null;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** When a stream said its first token; null for one that said none, and for what was no stream. */
  readonly firstTokenAtMs: number | null;
  readonly endedAtMs: number | null;
  /** The HTTP status; null when no header was sent. */
  readonly status: number | null;
  /**
   * `answered`: a whole and usable answer was sent. `faulty`: an answer was sent that is none. `refused`: an error status.
   * `reset`: the provider broke the connection. `aborted-by-client`: the client went first.
   */
  readonly outcome: 'in-progress' | 'answered' | 'faulty' | 'refused' | 'reset' | 'aborted-by-client';
  /** The kind of the simulated fault. */
  readonly fault: string | null;
  readonly promptTokens: number;
  /** Of a stream that was cut: what was sent until then. */
  readonly completionTokens: number;
  readonly charged: boolean;
}

export type CallStart = Pick<SimulatedCall, 'requestId' | 'model' | 'fault' | 'promptTokens' | 'completionTokens'>;
export type CallEnd = Pick<SimulatedCall, 'outcome' | 'status' | 'charged'> &
  Partial<Pick<SimulatedCall, 'completionTokens' | 'firstTokenAtMs'>>;

/**
 * Every call received, in memory and, with a file, as JSON lines: one when a call begins and one when it ends, written
 * before anything is answered, so that a simulator that is killed leaves no call out.
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
    // What was forgotten while it ran stays so: whoever clears the log begins to count.
    if (this.entries.has(call.id)) this.entries.set(call.id, ended);
    this.append(ended);
  }

  /** In the order in which they began. */
  calls(): readonly SimulatedCall[] {
    return [...this.entries.values()];
  }

  /** Forgets all calls that began by now; the file stays. */
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

/** The calls of a log file, in the order in which they began; those that a killed simulator left are `in-progress`. */
export function readCallLog(path: string): readonly SimulatedCall[] {
  const calls = new Map<string, SimulatedCall>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '') continue;
    const call = JSON.parse(line) as SimulatedCall;
    calls.set(call.id, call);
  }
  return [...calls.values()];
}
