/** `npm run bench -- turn`: see docs/benchmark.md; `npm run bench -- server`: see docs/temporal.md. */
import { Command } from 'commander';
import { serverCommand } from './server';
import { turnCommand } from './turn';

async function main(): Promise<void> {
  const program = new Command('bench')
    .description('Benchmarks of Bellwether')
    .addCommand(turnCommand())
    .addCommand(serverCommand());
  await program.parseAsync();
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
