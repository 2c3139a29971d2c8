import { describeOnEachDatabase, type TestDatabase } from '../support/ledgers';
import { stopAtRandom } from './random-stops';

describeOnEachDatabase('stops at random moments', (databases) => {
  let database: TestDatabase;
  beforeAll(async () => (database = await databases.create()));
  afterAll(() => database.remove());

  test('leave no session stuck and no call unbooked', async () => {
    const { databaseUrl } = database.location;
    const isShared = databaseUrl !== undefined;
    await stopAtRandom({
      stops: 500,
      sessions: 10,
      workers: isShared ? 2 : 1,
      environment: isShared ? { DATABASE_URL: databaseUrl } : undefined,
    });
  });
});
