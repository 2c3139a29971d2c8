import { describeWithRedis } from '../support/redis';
import { testStreamKills } from './killed-streams';

describeWithRedis('streamed turns whose service is killed, twice in each way', () => {
  testStreamKills({ alone: ['worker', 'workers', 'gateway', 'redis'], roundsPerKill: 2, redisFates: ['kept', 'lost'] });
});
