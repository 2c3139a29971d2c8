import type { Logger } from 'pino';
import { configurationVersion, needsRestart } from '../config/configuration-version';
import { type Settings, SettingsError } from '../config/settings';

/**
 * Often enough for whoever waits for a change; reading a few small files costs a millisecond. A file that is being copied
 * over the former one is complete by the next look.
 */
const lookEveryMs = 2_500;

export interface LiveConfigurationOptions {
  /** What the process started with. */
  readonly settings: Settings;
  /** Reads and checks everything again. @throws {SettingsError} */
  readonly load: () => Settings;
  /** Changes whenever `load` may give something else. */
  readonly fingerprint: () => string;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

/**
 * The configuration of a running process. It is read again when its files have changed and on SIGHUP, checked as a whole, and
 * either taken as a whole or refused as a whole. Files are compared by content, because mounted directories report no changes.
 */
export class LiveConfiguration {
  private settings: Settings;
  private readVersion: string;
  /** Of the files as they were read, and as the last look found them. */
  private fingerprint: string;
  private lastSeen: string;
  private problem: string | null = null;
  /** What the log has said needs a restart. */
  private toldOfRestart = '';
  private readonly listeners: ((settings: Settings) => void)[] = [];
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly options: LiveConfigurationOptions) {
    this.settings = options.settings;
    this.readVersion = configurationVersion(options.settings);
    this.fingerprint = options.fingerprint();
    this.lastSeen = this.fingerprint;
  }

  get current(): Settings {
    return this.settings;
  }

  get version(): string {
    return this.readVersion;
  }

  /** Why the configuration in the files is not in use; null: it is. */
  get refusal(): string | null {
    return this.problem;
  }

  /** If a listener throws, the change is refused, and all of them get the former settings again. */
  onChange(listener: (settings: Settings) => void): void {
    this.listeners.push(listener);
  }

  start(): void {
    this.timer = setInterval(() => this.look(), lookEveryMs).unref();
    process.on('SIGHUP', this.reload);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    process.off('SIGHUP', this.reload);
  }

  /**
   * Reads the files if they have changed, and not since the last look: half of a file may be a valid configuration, too. A
   * refused one is read again each time: a key file may come later.
   */
  look(): void {
    // A key may have been replaced without any change of the configuration.
    for (const { readApiKey } of this.settings.providers) readApiKey({ refresh: true });
    const seen = this.options.fingerprint();
    const isSettled = seen === this.lastSeen;
    this.lastSeen = seen;
    if (isSettled && (seen !== this.fingerprint || this.problem !== null)) this.reload();
  }

  readonly reload = (): void => {
    const { load, logger, fingerprint } = this.options;
    try {
      // Before the files are read: what changes meanwhile is found by the next look.
      this.fingerprint = fingerprint();
      this.take(load());
    } catch (error) {
      const problem = error instanceof SettingsError ? error.message : `It cannot be used: ${String(error)}`;
      const isNews = problem !== this.problem;
      this.problem = problem;
      if (isNews) logger.warn({ problem }, 'the changed configuration is refused; the former one stays in use');
    }
  };

  private take(settings: Settings): void {
    const { logger } = this.options;
    if (settings.simulated !== this.settings.simulated) {
      throw new SettingsError(['whether providers are simulated cannot change without a restart']);
    }
    this.tellAll(settings);
    // Also for the same version: the place of a key may have changed.
    this.settings = settings;
    const version = configurationVersion(settings);
    const former = this.readVersion;
    const waiting = needsRestart(this.options.settings, settings);
    if (waiting.length > 0 && waiting.join() !== this.toldOfRestart) {
      logger.warn({ needsRestart: waiting }, 'part of the changed configuration needs a restart');
    }
    this.toldOfRestart = waiting.join();
    if (version !== former) logger.info({ version, former }, 'the changed configuration is in use');
    else if (this.problem !== null) logger.info({ version }, 'the configuration is valid again');
    this.problem = null;
    this.readVersion = version;
  }

  private tellAll(settings: Settings): void {
    try {
      for (const listener of this.listeners) listener(settings);
    } catch (error) {
      for (const listener of this.listeners) listener(this.settings);
      throw error;
    }
  }
}
