import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadSettings, type LoadSettingsOptions } from '../../src/config/load-settings';
import { type Settings, SettingsError } from '../../src/config/settings';

/** An empty working directory of its own for each test, and an environment that holds only what the test says. */
export class Workspace {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'bellwether-config-'));

  write(name: string, content: string): string {
    const file = path.join(this.directory, name);
    writeFileSync(file, content);
    return file;
  }

  load(environment: LoadSettingsOptions['environment'] = {}, configFile?: string): Settings {
    return loadSettings({ environment, workingDirectory: this.directory, ...(configFile && { configFile }) });
  }

  /** The problems that loading reports; fails when it reports none. */
  problems(environment: LoadSettingsOptions['environment'] = {}): readonly string[] {
    try {
      this.load(environment);
    } catch (error) {
      if (error instanceof SettingsError) return error.problems;
      throw error;
    }
    throw new Error('These settings were expected to have problems; they loaded.');
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
