import type { WorkflowHandle } from '@temporalio/client';
import { rolloutWorkflowId } from '../../src/contract/names';
import type { RolloutSpec } from '../../src/contract/rollout';
import { eventually } from './eventually';
import type { Interference } from './interfering-ledger';
import { prepareRolloutService, type RolloutService, startInterferedWorker } from './rollout-service';
import { unhurriedRolloutSpec } from './rollout-spec';

/** A service and a worker for each test, and ways to stop the worker between steps. */
export class RolloutSetting {
  service!: RolloutService;
  private stopWorker!: () => Promise<void>;
  readonly interference: Interference = {};
  private readonly exits: (() => void)[] = [];

  async begin(spec: RolloutSpec = unhurriedRolloutSpec()): Promise<WorkflowHandle> {
    await this.service.rollouts.start(spec);
    return this.handleOf(spec);
  }

  handleOf({ name }: RolloutSpec): WorkflowHandle {
    return this.service.temporal.workflow.getHandle(rolloutWorkflowId(name));
  }

  /**
   * Like `begin`, but the first analysis sees the evidence of 40 turns, however long they take. With only some of the
   * users, it could conclude that the split is broken, or that a short plan's time has ended.
   */
  async beginWithEvidence(spec: RolloutSpec): Promise<WorkflowHandle> {
    const { goOn } = this.stopBefore('evidence');
    const handle = await this.begin(spec);
    await this.service.sendTurns(40);
    goOn();
    return handle;
  }

  /** The actions with their actors, without regular analyses: `pause by ann`. */
  async eventsOf({ name }: RolloutSpec): Promise<string[]> {
    return (await this.service.actions(name)).filter(([action]) => action !== 'wait').map((one) => one.join(' by '));
  }

  /** Waits for the next events and returns all of them. */
  async untilEvents(spec: RolloutSpec, count: number): Promise<string[]> {
    await eventually(`${count} events`, async () => (await this.eventsOf(spec)).length >= count);
    return this.eventsOf(spec);
  }

  /** Stops the worker at every such step from now on. */
  stopBefore(step: 'evidence' | 'record'): { readonly arrived: Promise<void>; readonly goOn: () => void } {
    let arrive = (): void => undefined;
    let exit = (): void => undefined;
    const arrived = new Promise<void>((resolve) => (arrive = resolve));
    const exited = new Promise<void>((resolve) => (exit = resolve));
    this.interference.before = async (next) => {
      if (next !== step) return;
      arrive();
      await exited;
    };
    const goOn = (): void => {
      this.interference.before = undefined;
      exit();
    };
    this.exits.push(goOn);
    return { arrived, goOn };
  }

  async setUp(): Promise<void> {
    this.service = await prepareRolloutService();
    this.stopWorker = await startInterferedWorker(this.service, {
      before: (step) => this.interference.before?.(step),
      after: (step) => this.interference.after?.(step),
    });
  }

  /** Releases stopped steps, even after a failed test: they would keep the worker from stopping. */
  async tearDown(): Promise<void> {
    for (const exit of this.exits.splice(0)) exit();
    this.interference.after = undefined;
    await this.stopWorker();
    await this.service.stop();
  }
}

/** Call it at the top of a test file. */
export function eachTestWithRollouts(): RolloutSetting {
  const setting = new RolloutSetting();
  beforeEach(() => setting.setUp());
  afterEach(() => setting.tearDown());
  return setting;
}

/** Waits until the workflow has this many pending updates, `begun` included: their senders wait for an answer. */
export function untilAccepted(handle: WorkflowHandle, updates: number): Promise<void> {
  return eventually(`${updates} updates are accepted`, async () => {
    const { events } = await handle.fetchHistory();
    return (events ?? []).filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes).length >= updates;
  });
}
