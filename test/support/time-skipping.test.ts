import { Worker } from '@temporalio/worker';
import { unique } from './temporal';
import { startTimeSkipping } from './time-skipping';
import type { sleepFor } from './workflows/timers';

const hoursMs = 60 * 60 * 1000;

test('72 hours of a workflow pass within a moment', async () => {
  const environment = await startTimeSkipping();
  try {
    const taskQueue = unique('timers');
    const worker = await Worker.create({
      connection: environment.nativeConnection,
      taskQueue,
      workflowsPath: require.resolve('./workflows/timers'),
    });
    const sleptMs = await worker.runUntil(
      environment.client.workflow.execute<typeof sleepFor>('sleepFor', {
        taskQueue,
        workflowId: unique('timer'),
        args: [72 * hoursMs],
      }),
    );
    expect(sleptMs).toBeGreaterThanOrEqual(72 * hoursMs);
    expect(sleptMs).toBeLessThan(73 * hoursMs);
  } finally {
    await environment.teardown();
  }
});
