import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { loadSettings } from '../config/load-settings';
import { createPayloadCodec } from '../encryption/aes-gcm-codec';
import { startCodecServer } from '../encryption/codec-server';
import { parsePort } from './port';
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
  if (parsed !== origin) throw new InvalidArgumentError('An origin is scheme, host and port: http://localhost:8080.');
  return [...(origins ?? []), origin];
}

async function run(flags: CodecServerFlags): Promise<void> {
  const { encryption } = loadSettings();
  if (encryption === undefined) {
    throw new Error('Encryption is off: no encryption key is configured, so there is nothing to decode.');
  }
  const token = flags.tokenFile === undefined ? undefined : (await readFile(flags.tokenFile, 'utf8')).trim();
  const server = await startCodecServer({
    codec: createPayloadCodec(encryption),
    host: flags.host,
    port: flags.port,
    allowedOrigins: flags.origin,
    allowRemote: flags.allowRemote,
    ...(token === undefined ? {} : { token }),
  });
  console.log(`Codec endpoint for the Temporal UI: ${server.url} (for pages from ${flags.origin.join(', ')})`);
  await untilStopped();
  await server.close();
}

/** `bellwether codec-server`: serves until SIGINT or SIGTERM. */
export function codecServerCommand(): Command {
  return new Command('codec-server')
    .description('Decrypt payloads for the Temporal UI and CLI (Temporal remote codec protocol)')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on', parsePort, 8234)
    .option<readonly string[]>('--origin <origin>', "the Temporal UI's origin; may be repeated", addOrigin)
    .option('--token-file <file>', 'file with the token that every call must bring')
    .option('--allow-remote', 'allow an address that other machines can reach; needs --token-file', false)
    .action(async (flags: Omit<CodecServerFlags, 'origin'> & { readonly origin?: readonly string[] }) =>
      // The UI of the dev server, and the UI of docker-compose.yml.
      run({ ...flags, origin: flags.origin ?? ['http://localhost:8233', 'http://localhost:8080'] }),
    );
}
