import { patched, type WorkflowInterceptors } from '@temporalio/workflow';
import { rolloutCommandNames } from '../contract/names';

/**
 * Signals of one name that one workflow task handles. Temporal keeps up to 10,000 while no worker runs and delivers them in
 * one activation: 9,900 took 10 s of CPU and killed one worker after another. With the older ones left out, they take 0.15 s.
 * 50 exclusions may wait; of every other command only the last one counts.
 */
const maxSignalsOfAName = 50;

const commandNames: ReadonlySet<string> = new Set(rolloutCommandNames);

/** Temporal's SDK calls it once for each workflow: see `workflowInterceptorModules` where the bundle is made. */
export function interceptors(): WorkflowInterceptors {
  return {
    internals: [
      {
        activate(input, next) {
          const jobs = input.activation.jobs ?? [];
          const kept = withoutFlood(jobs, ({ signalWorkflow }) => signalWorkflow?.signalName ?? null);
          if (kept.length < jobs.length && patched('the-last-signals-of-a-flood')) input.activation.jobs = kept;
          next(input);
        },
      },
    ],
  };
}

/** Leaves out all but the last signals of a rollout's commands. The order stays. */
export function withoutFlood<Job>(jobs: readonly Job[], nameOf: (job: Job) => string | null): Job[] {
  const countByName = new Map<string, number>();
  const kept: Job[] = [];
  for (const job of jobs.toReversed()) {
    const name = nameOf(job);
    if (name !== null && commandNames.has(name)) {
      const count = (countByName.get(name) ?? 0) + 1;
      countByName.set(name, count);
      if (count > maxSignalsOfAName) continue;
    }
    kept.push(job);
  }
  return kept.toReversed();
}
