import { goPackage } from './go-install';
import { minimumServerVersion } from './temporal-version';

export interface FailedWay {
  readonly name: string;
  readonly reason: string;
}

/** No Temporal server could be found or brought. The message names every way that was tried and what to do. */
export class TemporalNotFoundError extends Error {
  override readonly name = 'TemporalNotFoundError';

  constructor(readonly failed: readonly FailedWay[]) {
    super(
      [
        'Bellwether needs a Temporal server, and none could be found or brought. What was tried:',
        ...failed.map(({ name, reason }) => `  - ${name}: ${reason}`),
        'Any one of these helps; then run the command again:',
        `  - install the Temporal CLI, 1.4 or later (server ${minimumServerVersion}): https://docs.temporal.io/cli/setup-cli`,
        '  - set TEMPORAL_ADDRESS (or a profile in temporal.toml) to a Temporal server that you run',
        `  - install Go (https://go.dev/dl), so that "go install ${goPackage}" can build it`,
        '  - behind a proxy, set HTTPS_PROXY so that it can be downloaded',
      ].join('\n'),
    );
  }
}
