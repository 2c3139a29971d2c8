import { NativeConnection, Worker } from '@temporalio/worker';
import { eventually } from '../support/eventually';
import { sharedTemporal, unique, workflowBundle } from '../support/temporal';
import { CliWorkspace } from './run-cli';

let workspace: CliWorkspace;
beforeEach(() => {
  workspace = new CliWorkspace();
});
afterEach(() => workspace.remove());

function environmentOf(taskQueue: string): Record<string, string> {
  const { address, namespace } = sharedTemporal();
  return { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, BELLWETHER_TASK_QUEUE: taskQueue };
}

test('a polling worker on this host is healthy', async () => {
  const { address, namespace } = sharedTemporal();
  const taskQueue = unique('health');
  const connection = await NativeConnection.connect({ address });
  try {
    const worker = await Worker.create({ connection, namespace, taskQueue, workflowBundle: workflowBundle() });
    let stdout = '';
    await worker.runUntil(() =>
      eventually('the health check passes', async () => {
        const result = await workspace.spawn(['worker-health'], environmentOf(taskQueue));
        stdout = result.stdout;
        return result.status === 0;
      }),
    );
    expect(stdout).toContain(`polled "${taskQueue}"`);
  } finally {
    await connection.close();
  }
});

test('a task queue that no worker on this host polls is not healthy', async () => {
  const taskQueue = unique('nobody');
  const { status, stderr } = await workspace.run(['worker-health'], environmentOf(taskQueue));
  expect(status).toBe(1);
  expect(stderr).toContain(`polled task queue "${taskQueue}"`);
});

test('if Temporal does not answer, the error names its address', async () => {
  const { status, stderr } = await workspace.run(['worker-health'], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  expect(status).toBe(1);
  expect(stderr).toMatch(/Temporal does not answer at 127\.0\.0\.1:1 .*set TEMPORAL_ADDRESS/);
});
