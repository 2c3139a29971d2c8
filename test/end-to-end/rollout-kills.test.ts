import { surviveRolloutKills } from './killed-rollouts';

const plan = { rolloutCount: 1, workerKillsOfEach: 2, serverKills: 1, stepMs: 6_000, workflowTaskTimeoutSeconds: 5 };

test(
  'a rollout ends as planned, each step once, though two workers and the Temporal server are killed',
  () => surviveRolloutKills(plan),
  300_000,
);
