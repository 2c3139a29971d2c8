import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import type { WorkerKind } from './worker-process';

/** Bundles a worker's workflows into a file of the directory. */
export async function bundleFor(kind: WorkerKind, directory: string): Promise<string> {
  const workflowsPath = kind === 'bellwether' ? require.resolve('../src/workflows') : require.resolve('./workflows');
  const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
  const file = join(directory, 'workflow-bundle.js');
  writeFileSync(file, code);
  return file;
}
