import type { WorkerKind } from '../worker-process';

/** One caller's conversation; its turns are sent one after the other. */
export interface BenchConversation {
  /** Resolves when the caller has its answer. */
  send(turnId: string, content: string): Promise<void>;
  /** The workflows whose histories hold the turns sent so far. */
  workflowIds(): readonly string[];
}

/** One way to carry a turn. */
export interface Way {
  readonly name: string;
  readonly title: string;
  /** The worker process that does its work; null when there is none. */
  readonly worker: WorkerKind | null;
  /** Whether the provider's log must hold exactly one call per turn. */
  readonly promisesOneCall: boolean;
  open(sessionId: string): BenchConversation;
}
