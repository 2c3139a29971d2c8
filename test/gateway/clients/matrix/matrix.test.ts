import { readFileSync } from 'node:fs';
import { describeWithCodex } from '../../../support/codex-program';
import { type GatewayService, startGatewayService } from '../../gateway-service';
import { describeWithPython, type PythonProgram, startPython } from '../../../support/python';
import type { PythonSet } from '../../../support/python-packages';
import { primaryModel } from '../../../support/service';
import { type ClientConnection, features, type Outcomes, type TestedClient, thoughts, toolResult } from './features';
import { codex } from './codex';
import { pythonClients } from './python-clients';
import { lacksOf, tableOf } from './table';
import { model, typescriptClients } from './typescript-clients';

const answer =
  'Your order has left our warehouse and should reach you within 2 to 3 days. The tracking link is in your e-mail.';

const allClients = [...typescriptClients, ...pythonClients(programOf), codex];

test('docs/clients.md has the table of these clients, and what they lack', () => {
  const page = readFileSync('docs/clients.md', 'utf8');
  expect(page).toContain(`\n${tableOf(allClients)}\n`);
  expect(page).toContain(`\n${lacksOf(allClients).join('\n')}\n`);
});

let setting: GatewayService;
beforeAll(async () => {
  setting = await startGatewayService({ configuration: { gateway: { aliases: [model] } } });
  await setting.service.simulator.setBehaviour(primaryModel, { thoughts, pieceGapMs: 10 });
});
afterAll(() => setting.stop());

const expectations = {
  plain: (text: string) => expect(text).toBe(answer),
  streamed: (pieces: readonly string[]) => {
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.join('')).toBe(answer);
  },
  tools: (text: string) => expect(text).toBe(`The tool says: ${toolResult}`),
  structured: (object: object) => expect(object).toEqual({ answer }),
  error: ({ status, message }: Outcomes['error']) => {
    expect([404, null]).toContain(status);
    expect(message).toContain('There is no model "gpt-4o"');
  },
  reasoning: (text: string) => expect(text).toBe(thoughts),
} as const;

const titleOf = ({ name, language, api }: TestedClient): string =>
  `${name} (${api}${language === 'Python' ? '' : `, ${language}`})`;

function tryAll(client: TestedClient): void {
  const tried = features.filter((feature) => client.lacks[feature] === undefined);
  test.each(tried)('%s', async (feature) => {
    const attempt = client.tries[feature];
    if (attempt === undefined) throw new Error(`Nothing tries ${feature} with ${client.name}.`);
    const outcome = await attempt({ baseUrl: `${setting.gateway.url}/v1`, apiKey: setting.key });
    (expectations[feature] as (value: unknown) => void)(outcome);
  });
}

describe.each(typescriptClients.map((client) => [titleOf(client), client] as const))('%s', (_, client) => {
  tryAll(client);
});

const running = new Map<PythonSet, PythonProgram>();
afterAll(() => Promise.all([...running.values()].map((program) => program.stop())));

/** One for each set of packages, since each takes seconds to load them. */
function programOf(set: PythonSet, { baseUrl, apiKey }: ClientConnection): PythonProgram {
  const environment = { OPENAI_BASE_URL: baseUrl, OPENAI_API_BASE: baseUrl, OPENAI_API_KEY: apiKey };
  const program = running.get(set) ?? startPython('gateway/clients/matrix/python_clients.py', { set, environment });
  running.set(set, program);
  return program;
}

for (const client of pythonClients(programOf)) {
  describeWithPython(titleOf(client), () => tryAll(client), client.set);
}

describeWithCodex(titleOf(codex), () => tryAll(codex));
