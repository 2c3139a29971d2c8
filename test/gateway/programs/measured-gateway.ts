/** A gateway in a process of its own that tells its parent what it holds: its argument is the environment as JSON. */
import { Writable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pino from 'pino';
import { loadSettings } from '../../../src/config/load-settings';
import { serveGateway } from '../../../src/services/gateway';
import type { GatewayHoldings } from '../fuzz/gateway-process';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const warnings: string[] = [];
process.on('warning', ({ name, message }) => warnings.push(`${name}: ${message}`));

/** What nobody foresaw is logged as an error. */
const errors: string[] = [];
const log = new Writable({
  write: (line: Buffer, _encoding, done) => {
    if ((JSON.parse(line.toString()) as { level: number }).level >= 50) errors.push(line.toString());
    done();
  },
});

function holdings(): GatewayHoldings {
  // The second one frees what the first one found finalizers for.
  collectGarbage();
  collectGarbage();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return { heapBytes: process.memoryUsage().heapUsed, resources, warnings, errors };
}

async function main(): Promise<void> {
  const environment = JSON.parse(process.argv[2] ?? '{}') as Record<string, string>;
  const settings = loadSettings({ environment, callsProviders: false });
  const gateway = await serveGateway({ settings, host: '127.0.0.1', port: 0, logger: pino({}, log) });
  process.on('message', () => process.send?.(holdings()));
  process.once('disconnect', () => void gateway.close().then(() => process.exit(0)));
  process.send?.(gateway.url);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
