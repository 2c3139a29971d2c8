import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually';
import { startService, type Service } from '../support/service';

const page = readFileSync(join(__dirname, '../../docs/temporal.md'), 'utf8');

/** The lines of the block of saved views. */
const [, views = ''] = /worth a saved view:\n\n```\n([^`]*)```/.exec(page) ?? [];
const queries = views.trim().split('\n');

let service: Service;
beforeAll(async () => {
  service = await startService();
  await service.client.send({ sessionId: 's-1', content: 'Where is my order?' });
});
afterAll(() => service.stop());

test('there are saved views', () => {
  expect(queries.length).toBeGreaterThan(5);
});

test.each(queries)('the server takes %s', async (query) => {
  const { count } = await service.temporal.workflow.count(query);
  expect(count).toBeGreaterThanOrEqual(0);
});

test('a session is found by its view', async () => {
  const query = queries.find((one) => one.startsWith('BellwetherSession')) ?? '';
  await eventually(
    'the server lists the session',
    async () => (await service.temporal.workflow.count(query)).count === 1,
  );
});
