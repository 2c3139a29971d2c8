import { join } from 'node:path';
import { Command } from 'commander';
import { prepareDataDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import { createReporter } from '../terminal/reporter';
import { footer } from '../terminal/format';
import { watchStatus } from './exit-status';
import { interruptedStatus, untilStopped } from './stop-signals';

const commandLine = { program: join(__dirname, 'main.js'), footer, watchStatus };

export function demoCommand(): Command {
  return new Command('demo')
    .description('show what Bellwether does, on a real Temporal server with simulated models, and exit')
    .addHelpText(
      'after',
      `\nOn a slow or busy machine it takes longer and says so.\nExit status: 0 everything was shown, 1 something was not, 2 wrong configuration, ${interruptedStatus} stopped by Ctrl-C or SIGTERM.`,
    )
    .action(async () => {
      const settings = loadSettings();
      prepareDataDirectory(settings.dataDirectory);
      const stopped = untilStopped();
      const { demonstrate } = await import('../local/demo/play');
      const report = createReporter(process.stderr);
      const end = await demonstrate({ settings, commandLine, report, stopped });
      if (end === 'shown') return;
      report.note('The demonstration was interrupted. Everything that it started has ended.');
      // Exits at once: whatever it was waiting for no longer matters.
      process.exit(interruptedStatus);
    });
}
