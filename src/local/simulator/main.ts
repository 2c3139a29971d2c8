/**
 * A simulated provider as a process:
 *
 *     node dist/local/simulator/main.js [--port 0] [--control-port 0] [--log FILE] [--seed TEXT] [--api-key KEY]…
 *
 * Has the models of both profiles, or takes `SimulatorOptions` as JSON in `--options`. Prints one line of JSON
 * (`SimulatorAddresses`) once it is listening, and runs until SIGTERM or SIGINT; with `--exit-with-stdin`, until SIGTERM or
 * the end of its stdin.
 */
import { parseArgs } from 'node:util';
import { startControlServer } from './control-server';
import { holysheepProfile, legacyProfile } from './behaviour';
import { startSimulator, type SimulatorOptions } from './simulator';
import type { SimulatorAddresses } from './simulator-process';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'control-port': { type: 'string', default: '0' },
    log: { type: 'string' },
    seed: { type: 'string' },
    'api-key': { type: 'string', multiple: true },
    options: { type: 'string' },
    'exit-with-stdin': { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  const simulator = await startSimulator({
    models: { ...legacyProfile, ...holysheepProfile },
    port: Number(values.port),
    logFile: values.log,
    seed: values.seed,
    apiKeys: values['api-key'],
    ...(JSON.parse(values.options ?? '{}') as Partial<SimulatorOptions>),
  });
  const control = await startControlServer(simulator, Number(values['control-port']));

  const stop = (): void => {
    Promise.all([control.close(), simulator.close()]).then(() => process.exit(0), fail);
  };
  process.once('SIGTERM', stop);
  if (values['exit-with-stdin']) {
    process.stdin.once('end', stop).resume();
    // Ctrl-C reaches every process of a terminal, but the parent still has turns to finish.
    process.on('SIGINT', () => undefined);
  } else {
    process.once('SIGINT', stop);
  }

  const addresses: SimulatorAddresses = { baseUrl: simulator.baseUrl, controlUrl: control.url };
  console.log(JSON.stringify(addresses));
}

function fail(error: unknown): void {
  console.error('The simulator failed.', error);
  process.exit(1);
}

main().catch(fail);
