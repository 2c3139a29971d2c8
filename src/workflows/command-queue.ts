import { patched } from '@temporalio/workflow';
import type { RolloutAnswer, RolloutCommand } from '../contract/rollout';

interface WaitingCommand {
  readonly command: RolloutCommand;
  /** Null for a signal: its sender does not wait for an answer. */
  readonly sender: {
    readonly answer: (answer: RolloutAnswer) => void;
    readonly refuse: (failure: Error) => void;
  } | null;
}

/**
 * Signals that may wait at a time. There are fewer kinds than this, except for exclusions of different times; those that come
 * while so many wait are ignored. It bounds what a run carries to the next one. A rollback, and a single pause, go beyond it.
 */
const maxWaitingSignals = 50;

/** Operators' commands that are waiting to be carried out, in order of arrival, except that rollbacks go first. */
export class CommandQueue {
  private waiting: WaitingCommand[];
  private failure: Error | null = null;

  /** @param signals what waited in the previous run */
  constructor(signals: readonly RolloutCommand[] = []) {
    this.waiting = signals.map((command) => ({ command, sender: null }));
  }

  /**
   * Adds a command whose sender does not wait for an answer. It replaces a waiting one of the same kind: the last pause,
   * resume or promotion is what operators want, and thousands may come while no worker runs.
   */
  add(command: RolloutCommand): void {
    const isOlder = (one: WaitingCommand): boolean => one.sender === null && kindOf(one.command) === kindOf(command);
    const isBusy = this.waiting.some(isOlder) || this.waiting.length >= maxWaitingSignals;
    if (isBusy && patched('one-signal-of-a-kind')) {
      this.waiting = this.waiting.filter((one) => !isOlder(one));
      if (this.signals().length >= maxWaitingSignals && command.name !== 'rollback') {
        if (command.name !== 'pause' || !patched('a-pause-has-room')) return;
        this.waiting = this.waiting.filter((one) => one.sender !== null || one.command.name !== 'pause');
      }
    }
    this.waiting.push({ command, sender: null });
  }

  /** Adds a command and resolves with its result; rejects if the rollout was refused. */
  ask(command: RolloutCommand): Promise<RolloutAnswer> {
    if (this.failure) return Promise.reject(this.failure);
    // A plain promise, so that callers still get their answer when the workflow is cancelled.
    return new Promise((answer, refuse) => this.waiting.push({ command, sender: { answer, refuse } }));
  }

  /** The command to carry out next. */
  first(): RolloutCommand | undefined {
    return (this.waiting.find(({ command }) => command.name === 'rollback') ?? this.waiting[0])?.command;
  }

  /** Those that came as signals, in order of arrival. */
  signals(): readonly RolloutCommand[] {
    return this.waiting.filter(({ sender }) => sender === null).map(({ command }) => command);
  }

  get hasRollback(): boolean {
    return this.first()?.name === 'rollback';
  }

  /** Removes a command that was carried out, and answers its sender. */
  answer(command: RolloutCommand, answer: RolloutAnswer): void {
    const answered = this.waiting.find((one) => one.command === command);
    this.waiting = this.waiting.filter((one) => one !== answered);
    answered?.sender?.answer(answer);
  }

  /** Rejects all waiting and all future commands with this failure. */
  refuseAll(failure: Error): void {
    this.failure = failure;
    for (const { sender } of this.waiting) sender?.refuse(failure);
    this.waiting = [];
  }
}

/** Commands of one kind can stand for each other. An invalid one is only refused, so it does not stand for a valid one. */
function kindOf({ name, problem, fromMs, toMs }: RolloutCommand): string {
  return [name, problem === undefined ? 'valid' : 'invalid', fromMs, toMs].join(' ');
}
