import { surviveRolloutKills } from './killed-rollouts';

test(
  'four rollouts end as planned, each step once, though workers and the Temporal server are killed 50 times',
  () => surviveRolloutKills({ rolloutCount: 4, workerKillsOfEach: 10, serverKills: 10, stepMs: 10_000 }),
  900_000,
);
