import { join } from 'node:path';
import { readRunningServer } from './data-file-claim';

/** Where the embedded server keeps everything that turns are doing. */
export function embeddedDataFile(dataDirectory: string): string {
  return join(dataDirectory, 'temporal.db');
}

/** `host:port` of the server that `up` runs on this data directory, for the commands beside it. */
export function embeddedServerAddress(dataDirectory: string): string | undefined {
  return readRunningServer(`${embeddedDataFile(dataDirectory)}.server.json`)?.address;
}
