/** `npm run bench -- turn`: see docs/benchmark.md. */
import { Command } from 'commander';
import { turnCommand } from './turn';

async function main(): Promise<void> {
  const program = new Command('bench').description('Benchmarks of Bellwether').addCommand(turnCommand());
  await program.parseAsync();
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
