/** `npm run bench -- turn`, `gateway` and `evidence`: see docs/benchmark.md; `npm run bench -- server` measures the settings of docs/temporal.md. */
import { Command } from 'commander';
import { errorMessage } from '../src/contract/failures';
import { evidenceCommand } from './evidence';
import { gatewayCommand } from './gateway/command';
import { serverCommand } from './server';
import { turnCommand } from './turn';

async function main(): Promise<void> {
  const program = new Command('bench')
    .description('Benchmarks of Bellwether')
    .addCommand(turnCommand())
    .addCommand(gatewayCommand())
    .addCommand(serverCommand())
    .addCommand(evidenceCommand());
  await program.parseAsync();
}

main().catch((error: unknown) => {
  console.error(errorMessage(error));
  process.exitCode = 1;
});
