import {
  type BellwetherClient,
  DeadlineExceededError,
  FeedbackTooLateError,
  type FeedbackSignal,
  InvalidInputError,
  TurnNotFoundError,
} from '../../src/client';
import { admitRequest, dayMs, plan, reservation } from '../ledger/requests';
import { eventually } from '../support/eventually';
import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';
import { prepareService, type Service } from '../support/service';
import { unique } from '../support/temporal';

describeOnEachDatabase('feedback through the client', (databases) => {
  let database: TestDatabase;
  let service: Service;
  let client: BellwetherClient;
  beforeAll(async () => {
    database = await databases.create();
    const { databaseUrl, dataDirectory } = database.location;
    service = await prepareService({
      environment: { BELLWETHER_DATA_DIR: dataDirectory, ...(databaseUrl && { DATABASE_URL: databaseUrl }) },
    });
    await service.startWorker();
    ({ client } = service);
  });
  afterAll(async () => {
    await service.stop();
    await database.remove();
  });

  const content = 'Where is my order?';
  const messages = [{ role: 'user', content }] as const;

  async function signalsOf(turnId: string): Promise<readonly string[]> {
    const rows = await database.query<{ signal: string }>(
      `select signal from feedback where turn_id like '${turnId}%'`,
    );
    return rows.map(({ signal }) => signal);
  }

  test.each(['a turn of a session', 'a one-shot turn', 'a one-shot turn that a session pays for'])(
    '%s keeps the last signal',
    async (kind) => {
      const turnId = unique('turn');
      const sessionId = kind === 'a one-shot turn' ? undefined : unique('session');
      const ofSession = sessionId === undefined ? {} : { sessionId };
      if (kind === 'a turn of a session') await client.send({ sessionId: sessionId ?? '', turnId, content });
      else await client.complete({ ...ofSession, turnId, messages });
      for (const signal of ['up', 'down', 'down'] as const) await client.feedback(turnId, signal, ofSession);
      expect(await signalsOf(turnId)).toEqual(['down']);
      if (sessionId !== undefined) await expect(client.feedback(turnId, 'up')).rejects.toThrow(TurnNotFoundError);
    },
  );

  test('a turn that nobody knows, or that is too old, takes none', async () => {
    await expect(client.feedback('nobody', 'up', { sessionId: 'nowhere' })).rejects.toThrow(TurnNotFoundError);
    const turnId = unique('turn');
    await service.ledger.admit(admitRequest(turnId, 1, { sessionId: null, atMs: Date.now() - 8 * dayMs }));
    await expect(client.feedback(turnId, 'up')).rejects.toThrow(FeedbackTooLateError);
    expect(await signalsOf(turnId)).toEqual([]);
  });

  test.each<[string, string, unknown, string]>([
    ['an unknown signal', 'turn', 'great', 'signal must be one of up, down, handoff, resolved, not "great"'],
    ['no signal', 'turn', undefined, 'signal must be one of up, down, handoff, resolved, not undefined'],
    ['a turn id with a space', 'a b', 'up', 'turnId may hold visible ASCII'],
  ])('%s is refused before anything starts', async (_, turnId, signal, message) => {
    const given = client.feedback(turnId, signal as FeedbackSignal);
    await expect(given).rejects.toThrow(InvalidInputError);
    await expect(given).rejects.toThrow(message);
  });
});

test('a signal that no worker takes in time is not recorded later', async () => {
  const service = await prepareService();
  const { ledger, temporal, settings } = service;
  try {
    const [turnId, later] = [unique('turn'), unique('turn')];
    const countedIn = { rollout: 'november', bake: 1 };
    for (const id of [turnId, later]) {
      const atMs = Date.now();
      await ledger.admit(admitRequest(id, 1, { sessionId: null, atMs, plan: () => plan(reservation(1), countedIn) }));
    }
    await expect(service.client.feedback(turnId, 'down', { deadlineMs: 500 })).rejects.toThrow(DeadlineExceededError);
    await eventually('its workflow is over', async () => {
      const query = `TaskQueue = '${settings.temporal.taskQueue}' and ExecutionStatus = 'TimedOut'`;
      return (await temporal.workflow.count(query)).count === 1;
    });
    await service.startWorker();
    await service.client.feedback(later, 'up');
    expect(await ledger.rollouts.feedback('november')).toMatchObject([{ signal: 'up', turns: 1 }]);
  } finally {
    await service.stop();
  }
});
