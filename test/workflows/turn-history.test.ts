import { temporal } from '@temporalio/proto';
import { conversationWorkflowId, turnWorkflowId } from '../../src/contract/names';
import { startService, type Service } from '../support/service';
import { unique } from '../support/temporal';

const { EventType } = temporal.api.enums.v1;

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

/** What a workflow's history holds besides its workflow tasks, of which a machine that is held up adds some. */
async function eventsOf(workflowId: string): Promise<string[]> {
  const { events } = await service.temporal.workflow.getHandle(workflowId).fetchHistory();
  const types = (events ?? []).map(({ eventType }) => EventType[eventType ?? 0] ?? '');
  return types
    .map((type) => type.replace('EVENT_TYPE_', ''))
    .filter((type) => !type.startsWith('WORKFLOW_TASK_'))
    .map((type) => type.replace('WORKFLOW_EXECUTION_', ''));
}

test('a turn of a session that goes well is an accepted update, a marker and a completed update', async () => {
  const sessionId = unique('session');
  const turn = async () => {
    await service.client.send({ sessionId, content: 'Where is my order?' });
    return eventsOf(conversationWorkflowId(sessionId));
  };
  const first = await turn();
  const second = await turn();
  const third = await turn();
  expect(first.slice(0, 2)).toEqual(['STARTED', 'UPDATE_ACCEPTED']);
  expect(second.slice(first.length)).toEqual(third.slice(second.length));
  expect(third.slice(second.length)).toEqual(['UPDATE_ACCEPTED', 'MARKER_RECORDED', 'UPDATE_COMPLETED']);
});

test('a one-shot turn that goes well is a marker between its start and its end', async () => {
  const turnId = unique('turn');
  await service.client.complete({ turnId, messages: [{ role: 'user', content: 'Where is my order?' }] });
  expect(await eventsOf(turnWorkflowId(turnId, null))).toEqual([
    'STARTED',
    'MARKER_RECORDED',
    'UPSERT_WORKFLOW_SEARCH_ATTRIBUTES',
    'COMPLETED',
  ]);
});
