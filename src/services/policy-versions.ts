import type { ConfiguredVersion, ConfiguredVersions } from '../activities/dependencies';
import { configurationVersion } from '../config/configuration-version';
import type { Settings } from '../config/settings';
import type { Provider, ProviderSettings } from '../contract/provider';
import { createProvider } from '../providers/create-provider';

/** A file that is saved again and again must not fill the memory. */
const maxFormerVersions = 10;

/** A turn may wait in a queue for as long as it may take, and clocks differ. */
const keptForTurns = 2;

interface OpenProvider {
  readonly provider: Provider;
  /** A new key is for the calls of all versions: the former one may be revoked. */
  readApiKey: ProviderSettings['readApiKey'];
}

/**
 * The policies and providers that a worker's turns need: the ones in use, and former ones for turns that were admitted under
 * them. A provider whose settings stay the same keeps its connections.
 */
export class PolicyVersions implements ConfiguredVersions {
  private readonly versions = new Map<string, ConfiguredVersion>();
  private readonly providers = new Map<string, OpenProvider>();
  private readonly closing = new Set<Promise<void>>();
  private readonly timers = new Set<NodeJS.Timeout>();
  current: ConfiguredVersion;

  constructor(settings: Settings) {
    this.current = this.versionOf(settings);
    this.versions.set(this.current.configuration, this.current);
  }

  /** How long a turn of any of these versions may take. */
  get longestTurnMs(): number {
    return Math.max(...[...this.versions.values()].map(({ policy }) => policy.retry.turnDeadlineMs));
  }

  at(configuration: string | undefined): ConfiguredVersion {
    return (configuration === undefined ? undefined : this.versions.get(configuration)) ?? this.current;
  }

  use(settings: Settings): void {
    const former = this.current;
    this.current = this.versionOf(settings);
    // Last, as the newest.
    this.versions.delete(this.current.configuration);
    this.versions.set(this.current.configuration, this.current);
    const [oldest] = this.versions.values();
    if (this.versions.size > maxFormerVersions + 1 && oldest) this.drop(oldest);
    if (former.configuration === this.current.configuration) return;
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      if (this.current !== former) this.drop(former);
    }, former.policy.retry.turnDeadlineMs * keptForTurns).unref();
    this.timers.add(timer);
  }

  async close(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    await Promise.all([...this.closing, ...[...this.providers.values()].map(({ provider }) => provider.close())]);
  }

  private versionOf(settings: Settings): ConfiguredVersion {
    const providers = new Map(settings.providers.map((each) => [each.name, this.open(each)]));
    return { configuration: configurationVersion(settings), policy: settings.policy, providers };
  }

  private open(settings: ProviderSettings): Provider {
    const { readApiKey, ...place } = settings;
    const key = JSON.stringify(place);
    const known = this.providers.get(key);
    if (known) {
      known.readApiKey = readApiKey;
      return known.provider;
    }
    const provider = createProvider({ ...settings, readApiKey: (options) => opened.readApiKey(options) });
    const opened: OpenProvider = { provider, readApiKey };
    this.providers.set(key, opened);
    return provider;
  }

  /** A version that came back since has another object under its name. */
  private drop(version: ConfiguredVersion): void {
    if (this.versions.get(version.configuration) === version) this.versions.delete(version.configuration);
    const used = new Set([...this.versions.values()].flatMap(({ providers }) => [...providers.values()]));
    for (const [key, { provider }] of this.providers) {
      if (used.has(provider)) continue;
      this.providers.delete(key);
      const closed = provider.close().finally(() => this.closing.delete(closed));
      this.closing.add(closed);
    }
  }
}
