import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { defaultConfig } from '../../src/config/defaults';
import { errorTable } from '../../src/gateway/error-codes';
import { type GatewayService, startGatewayService } from '../gateway/gateway-service';

const projectDirectory = join(__dirname, '../..');
const page = readFileSync(join(projectDirectory, 'docs/gateway.md'), 'utf8');

interface Block {
  readonly section: string;
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = page.split(/^## /m).flatMap((part) => {
  const [section = ''] = part.split('\n', 1);
  const found = [...part.matchAll(/^```(\w*)\n(.*?)^```$/gms)];
  return found.map(([, language = '', text = '']) => ({ section, language, text }));
});

/** What talks to a running gateway, or makes keys; `up` and `gateway` themselves have tests of their own. */
const commands = blocks.filter(
  ({ language, text }) => language === 'sh' && /\$OPENAI_BASE_URL|bellwether keys/.test(text),
);

describe('every command on the page', () => {
  let service: GatewayService;
  beforeAll(async () => {
    service = await startGatewayService();
  });
  afterAll(() => service.stop());

  const hasCurl = spawnSync('curl', ['--version']).status === 0;
  const testWithCurl = hasCurl || process.env.CI === 'true' ? test : test.skip;

  /** `npx bellwether` is the built program, as in an installed package. */
  const prelude = `npx() { shift; "${process.execPath}" "${join(projectDirectory, 'dist/cli/main.js')}" "$@"; }\n`;

  async function run(command: string): Promise<string> {
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', prelude + command], {
      cwd: service.service.directory,
      env: {
        PATH: process.env['PATH'],
        ...service.service.environment,
        OPENAI_BASE_URL: `${service.gateway.url}/v1`,
        OPENAI_API_KEY: service.key,
      },
    });
    return stdout;
  }

  testWithCurl.each(commands)('is answered ($section)', async ({ text }) => {
    const output = await run(text);
    expect(output).not.toBe('');
    expect(output).not.toContain('{"error":');
  });

  testWithCurl('with its answer on the page returns the same fields', async () => {
    const shown = blocks.flatMap((block, index) => {
      const command = blocks[index - 1];
      return block.language === 'json' && command?.language === 'sh'
        ? [{ command: command.text, answer: block.text }]
        : [];
    });
    expect(shown).not.toHaveLength(0);
    for (const { command, answer } of shown) {
      expect(shapeOf(JSON.parse(await run(command)))).toEqual(shapeOf(JSON.parse(answer)));
    }
  });

  testWithCurl('that joins a stream gets only what it has not yet received', async () => {
    const joining = commands.find(({ text }) => text.includes('Last-Event-ID'));
    const output = await run(joining?.text ?? '');
    const [, rest = ''] = /"delta":\{"content":"([^"]+)"/.exec(output) ?? [];
    const [, whole = ''] = /"message":\{"role":"assistant","content":"([^"]+)"/.exec(output) ?? [];
    expect(whole.length).toBeGreaterThan(rest.length);
    expect(whole.endsWith(rest)).toBe(true);
  });
});

/** Names of fields and types of values. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== 'object' || value === null) return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, shapeOf(field)]));
}

test('the page shows the actual defaults', () => {
  const shown = blocks.find(({ language, text }) => language === 'yaml' && text.includes('with the defaults'));
  const { stream, breaker, gateway } = defaultConfig;
  expect(parse(shown?.text ?? '')).toEqual({ stream, breaker, gateway });
});

const directory = join(projectDirectory, 'src/gateway');
const source = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(join(directory, file), 'utf8'))
  .join('\n');

test('the table of errors matches the catalogue (npm run docs:errors)', () => {
  const [, table = ''] = /<!-- errors:begin.*?-->(.*)<!-- errors:end -->/s.exec(page) ?? [];
  const cells = (line: string) => line.split('|').map((cell) => cell.trim().replace(/^-+$/, '---'));
  expect(table.trim().split('\n').map(cells)).toEqual(errorTable().map(cells));
});

test('every metric of the gateway is named', () => {
  const names = [...source.matchAll(/name: 'bellwether_gateway(_\w+)'/g)].map(([, name = '']) => name);
  expect(names).not.toHaveLength(0);
  for (const name of names) expect(page).toContain(name);
});
