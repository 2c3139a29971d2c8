import { postgresUnavailable } from '../support/postgres';
import { describeWithRedis } from '../support/redis';
import { largeStage, smallStage, testBursts } from './bursts';

const sizes = {
  one: 1_000,
  many: { sessions: 5, perSession: 200, rounds: 4 },
  killed: { sessions: 20, perSession: 20 },
};

describe('one gateway, one worker, SQLite', () => {
  testBursts(smallStage, sizes);
});

describeWithRedis('two gateways, two workers, PostgreSQL', () => {
  test('PostgreSQL is there', () => expect(postgresUnavailable()).toBeNull());

  testBursts(largeStage, sizes);
});
