import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { codexEnvironment, codexVersion } from '../../../support/codex-program';
import { type ClientConnection, question, type TestedClient, unknownModel } from './features';
import { model } from './typescript-clients';

/** Runs codex once, without a person, in an empty directory; returns what it says as lines of JSON. */
async function run({ baseUrl, apiKey }: ClientConnection, prompt: string, modelName = model) {
  const home = mkdtempSync(join(tmpdir(), 'bellwether-codex-'));
  writeFileSync(
    join(home, 'config.toml'),
    [
      `model = "${modelName}"`,
      'model_provider = "bellwether"',
      'web_search = "disabled"',
      '[agents]',
      'enabled = false',
      '[model_providers.bellwether]',
      'name = "Bellwether"',
      `base_url = "${baseUrl}"`,
      'env_key = "BELLWETHER_KEY"',
      'wire_api = "responses"',
    ].join('\n'),
  );
  const flags = ['exec', '--json', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', '-C', home];
  const running = promisify(execFile)(process.env[codexEnvironment.program] ?? '', [...flags, prompt], {
    env: { PATH: process.env['PATH'], HOME: home, CODEX_HOME: home, BELLWETHER_KEY: apiKey },
    timeout: 60_000,
  });
  // It would wait for more of its prompt.
  running.child.stdin?.end();
  const { stdout } = await running.catch((error: unknown) => error as { readonly stdout: string });
  await rm(home, { recursive: true, force: true });
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as CodexEvent);
}

interface CodexEvent {
  readonly type: string;
  readonly message?: string;
  readonly error?: { readonly message: string };
  readonly item?: { readonly type: string; readonly text?: string; readonly aggregated_output?: string };
}

const textOf = (events: readonly CodexEvent[], type: string): string =>
  events.findLast(({ type: kind, item }) => kind === 'item.completed' && item?.type === type)?.item?.text ?? '';

export const codex: TestedClient = {
  name: 'codex',
  language: 'Rust',
  version: codexVersion,
  api: 'Responses',
  connect: 'config.toml, as below',
  lacks: {
    streamed: 'it streams always, and shows no pieces to a script',
    structured: 'it is not what an agent at a terminal is for',
  },
  tries: {
    plain: async (to) => textOf(await run(to, question), 'agent_message'),
    tools: async (to) => {
      const command = 'call exec_command {"cmd":"echo ORD-7 is on its way."}';
      // What it tells the model of the command's run stands before its output.
      return textOf(await run(to, command), 'agent_message')
        .replace(/Chunk ID: .*Output:\n/s, '')
        .trim();
    },
    error: async (to) => {
      const events = await run(to, question, unknownModel);
      const message = events.findLast(({ type }) => type === 'error' || type === 'turn.failed');
      const text = message?.message ?? message?.error?.message ?? '';
      return { status: null, message: text };
    },
    reasoning: async (to) => textOf(await run(to, question), 'reasoning'),
  },
};
