/** Build step: bundles the workflows once, so that a worker starts without webpack. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const pathInProject = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const { code } = await bundleWorkflowCode({
  workflowsPath: pathInProject('dist/workflows/index.js'),
  workflowInterceptorModules: [pathInProject('dist/workflows/signal-floods.js')],
});
writeFileSync(pathInProject('dist/workflow-bundle.js'), code);
