import type { RolloutAnswer, RolloutCommand } from '../contract/rollout';

interface WaitingCommand {
  readonly command: RolloutCommand;
  readonly answer: (answer: RolloutAnswer) => void;
  readonly refuse: (failure: Error) => void;
}

/** Operators' commands that are waiting to be carried out, in order of arrival, except that rollbacks go first. */
export class CommandQueue {
  private waiting: WaitingCommand[] = [];
  private failure: Error | null = null;

  /** Adds a command whose sender does not wait for an answer. */
  add(command: RolloutCommand): void {
    this.waiting.push({ command, answer: () => undefined, refuse: () => undefined });
  }

  /** Adds a command and resolves with its result; rejects if the rollout was refused. */
  ask(command: RolloutCommand): Promise<RolloutAnswer> {
    if (this.failure) return Promise.reject(this.failure);
    // A plain promise, so that callers still get their answer when the workflow is cancelled.
    return new Promise((answer, refuse) => this.waiting.push({ command, answer, refuse }));
  }

  /** The command to carry out next. */
  first(): RolloutCommand | undefined {
    return (this.waiting.find(({ command }) => command.name === 'rollback') ?? this.waiting[0])?.command;
  }

  get hasRollback(): boolean {
    return this.first()?.name === 'rollback';
  }

  /** Removes a command that was carried out, and answers its sender. */
  answer(command: RolloutCommand, answer: RolloutAnswer): void {
    const answered = this.waiting.find((one) => one.command === command);
    this.waiting = this.waiting.filter((one) => one !== answered);
    answered?.answer(answer);
  }

  /** Rejects all waiting and all future commands with this failure. */
  refuseAll(failure: Error): void {
    this.failure = failure;
    for (const { refuse } of this.waiting) refuse(failure);
    this.waiting = [];
  }
}
