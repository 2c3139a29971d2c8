import { smallStage, testBursts } from './bursts';

describe('one gateway, one worker, SQLite', () => {
  testBursts(smallStage, {
    one: 100,
    many: { sessions: 5, perSession: 20, rounds: 1 },
    killed: { sessions: 5, perSession: 20 },
  });
});
