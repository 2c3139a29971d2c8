/** Starts a simulator in its own process, prints its process id, and waits to be killed. */
import { join } from 'node:path';
import { startSimulatorProcess } from '../../../../src/local/simulator/simulator-process';

async function main(): Promise<void> {
  const simulator = await startSimulatorProcess({
    script: join(__dirname, '../../../support/simulator-main.js'),
    models: { m: {} },
  });
  console.log(simulator.pid);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
