import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { loadSettings } from '../config/load-settings';
import { createPayloadCodec } from '../encryption/aes-gcm-codec';
import { startCodecServer } from '../encryption/codec-server';
import { errorMessage } from '../contract/failures';
import { UsageError } from './exit-status';
import { parsePort } from './options';
import { untilStopped } from './stop-signals';

interface CodecServerFlags {
  readonly host: string;
  readonly port: number;
  readonly origin: readonly string[];
  readonly tokenFile?: string;
  readonly allowRemote: boolean;
}

function addOrigin(origin: string, origins: readonly string[] | undefined): readonly string[] {
  const parsed = URL.canParse(origin) ? new URL(origin).origin : undefined;
  if (parsed !== origin)
    throw new InvalidArgumentError('An origin has a scheme, a host and a port, such as http://localhost:8080.');
  return [...(origins ?? []), origin];
}

async function run(flags: CodecServerFlags): Promise<void> {
  const { encryption } = loadSettings();
  if (encryption === undefined) {
    throw new UsageError(
      'Encryption is off, so there is nothing to decode: set BELLWETHER_ENCRYPTION_KEYS or BELLWETHER_ENCRYPTION_KEYS_FILE as on the workers.',
    );
  }
  const token = flags.tokenFile === undefined ? undefined : await readToken(flags.tokenFile);
  const server = await startCodecServer({
    // The UI sends every payload of a page, encrypted or not, and already has the plain ones.
    codec: createPayloadCodec({ ...encryption, strict: false }),
    host: flags.host,
    port: flags.port,
    allowedOrigins: flags.origin,
    allowRemote: flags.allowRemote,
    ...(token === undefined ? {} : { token }),
  }).catch((error: unknown) => {
    // The host is not allowed, or the token is too short.
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  });
  console.log(`Codec endpoint for the Temporal UI: ${server.url} (for pages from ${flags.origin.join(', ')})`);
  await untilStopped();
  await server.close();
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new UsageError(`--token-file: ${file} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}

/** The UI of `up`, by address and by name, and the UI of docker-compose.yml. */
const uiOrigins = ['http://127.0.0.1:8233', 'http://localhost:8233', 'http://localhost:8080'];

/** `bellwether codec-server`: serves until SIGINT or SIGTERM. */
export function codecServerCommand(): Command {
  return new Command('codec-server')
    .description('decrypt payloads for the Temporal UI and CLI (Temporal remote codec protocol)')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on', parsePort, 8234)
    .option<readonly string[]>('--origin <origin>', "the Temporal UI's origin; may be repeated", addOrigin)
    .option('--token-file <file>', 'file with the token that every request must have')
    .option('--allow-remote', 'allow an address that other machines can reach; needs --token-file', false)
    .addHelpText(
      'after',
      '\nStops on Ctrl-C or SIGTERM. Exit status: 0 stopped, 1 failed, 2 wrong usage or configuration.',
    )
    .action(async (flags: Omit<CodecServerFlags, 'origin'> & { readonly origin?: readonly string[] }) =>
      run({ ...flags, origin: flags.origin ?? uiOrigins }),
    );
}
