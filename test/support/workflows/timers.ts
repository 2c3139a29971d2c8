import { sleep } from '@temporalio/workflow';

/** Sleeps and returns how long that took by the workflow's clock. */
export async function sleepFor(milliseconds: number): Promise<number> {
  const startedAtMs = Date.now();
  await sleep(milliseconds);
  return Date.now() - startedAtMs;
}
