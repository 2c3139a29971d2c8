import { conversationWorkflowId, searchAttributeNames, turnWorkflowId } from '../../src/contract/names';
import { formatUsd } from '../../src/domain/turn/prices';
import { tableCell } from '../../src/workflows/operator-view';
import { eventually } from '../support/eventually';
import { startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

/** Said by the user, and repeated by the simulated model. */
const said = '[ref:what-was-said]';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

/** What the Temporal UI shows as "current details". */
async function currentDetails(workflowId: string): Promise<string> {
  const handle = service.temporal.workflow.getHandle(workflowId);
  const metadata = await handle.query<{ readonly currentDetails?: string }>('__temporal_workflow_metadata');
  return metadata.currentDetails ?? '';
}

test('an operator finds a conversation by session and state, and sees what its turns did but not what was said', async () => {
  const sessionId = unique('session');
  const { turn_id } = await service.client.send({ sessionId, content: `Where is my order? ${said}` });
  const workflowId = conversationWorkflowId(sessionId);

  const details = await currentDetails(workflowId);
  const row = details.split('\n').find((line) => line.includes(turn_id)) ?? '';
  const cells = row.split('|').map((cell) => cell.trim());
  expect(cells).toEqual(expect.arrayContaining([turn_id, 'answered', 'holysheep / holysheep-primary / deepseek-v3.2']));
  expect(details).toContain('1 turns');

  const { session, state, arm, provider } = searchAttributeNames;
  const query = `${session} = '${sessionId}' AND ${state} = 'answered' AND ${arm} = 'holysheep'`;
  const found: string[] = [];
  await eventually('the server lists the conversation', async () => {
    for await (const { workflowId: id } of service.temporal.workflow.list({ query })) found.push(id);
    return found.length > 0;
  });
  expect(new Set(found)).toEqual(new Set([workflowId]));

  const description = await service.temporal.workflow.getHandle(workflowId).describe();
  expect(description.searchAttributes[provider]).toEqual(['holysheep-primary']);
  const shown = [details, await description.staticSummary(), description.memo, description.searchAttributes];
  expect(JSON.stringify(shown)).not.toContain(said);
});

test('what a conversation cost is what the ledger has, to the nano-dollar', async () => {
  const sessionId = unique('session');
  for (const content of ['Hi', 'Where is my order?', '我的订单在哪里？'])
    await service.client.send({ sessionId, content });
  const rows = await service.ledger.costsBy('session', 10_000);
  const spent = rows.find(({ key }) => key === sessionId)?.costNanoUsd ?? -1;
  expect(spent % 1_000).not.toBe(0);
  expect(await currentDetails(conversationWorkflowId(sessionId))).toContain(`tokens, ${formatUsd(spent, 9)}\n`);
  await service.client.close(sessionId);
  const handle = service.temporal.workflow.getHandle(conversationWorkflowId(sessionId));
  await handle.result();
  expect((await handle.describe()).memo).toMatchObject({ spend: { turns: 3, cost_nano_usd: spent } });
});

test.each([
  ['a | b', 'a \\| b'],
  ['two\nlines', 'two lines'],
  ['x'.repeat(400), `${'x'.repeat(299)}…`],
])('%j fits a cell of a table', (text, cell) => {
  expect(tableCell(text)).toBe(cell);
});

test('a closed conversation says so, with what it cost', async () => {
  const sessionId = unique('session');
  const { cost_usd } = await service.client.send({ sessionId, content: 'Hello' });
  await service.client.close(sessionId);
  const handle = service.temporal.workflow.getHandle(conversationWorkflowId(sessionId));
  await handle.result();
  const { searchAttributes, memo } = await handle.describe();
  expect(searchAttributes[searchAttributeNames.state]).toEqual(['closed']);
  expect(memo).toMatchObject({ spend: { turns: 1, cost_usd } });
});

test('a one-shot turn shows its attempts, tokens and cost without its text', async () => {
  const turnId = unique('turn');
  const reply = await service.client.complete({ turnId, messages: [{ role: 'user', content: `Hello ${said}` }] });
  const details = await currentDetails(turnWorkflowId(turnId, null));
  const [attempt] = await service.ledger.attempts(turnId);
  expect(attempt?.costNanoUsd).toBe(reply.cost_nano_usd);
  expect(details).toContain(`| ${reply.tokens_used} | ${formatUsd(attempt?.costNanoUsd ?? -1, 9)} |`);
  expect(details).not.toContain(said);
  const { searchAttributes } = await service.temporal.workflow.getHandle(turnWorkflowId(turnId, null)).describe();
  expect(searchAttributes[searchAttributeNames.state]).toEqual(['answered']);
});
