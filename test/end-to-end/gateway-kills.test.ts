import { describeWithRedis } from '../support/redis';
import { testStreamKills } from './killed-streams';

describeWithRedis('streamed turns whose service is killed', () => {
  testStreamKills({ alone: ['worker'], roundsPerKill: 1, redisFates: ['lost'], workflowTaskTimeoutSeconds: 5 });
});
