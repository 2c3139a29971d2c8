import { Command } from 'commander';
import { prepareDataDirectory } from '../config/data-directory';
import { loadSettings } from '../config/load-settings';
import { createReporter } from '../terminal/reporter';

export function demoCommand(): Command {
  return new Command('demo')
    .description('show what Bellwether does, on a real Temporal server with simulated models; ends by itself')
    .addHelpText('after', '\nExit status: 0 everything was shown, 1 something was not, 2 configuration.')
    .action(async () => {
      const settings = loadSettings();
      prepareDataDirectory(settings.dataDirectory);
      const { setStage } = await import('../local/demo/stage');
      const { play } = await import('../local/demo/play');
      const report = createReporter(process.stderr);
      const stage = await setStage(settings, report);
      try {
        await play(stage, report);
      } catch (error) {
        // What failed first is the news.
        await stage.close().catch(() => undefined);
        throw error;
      }
      await stage.close();
    });
}
