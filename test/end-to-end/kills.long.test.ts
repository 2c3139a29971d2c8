import { surviveKills } from './killed-workers';

test(
  '300 turns are answered once each and accounted for, though workers and the Temporal server are killed',
  () => surviveKills({ turnCount: 300, callerCount: 32, mostWorkerKills: 8 }),
  400_000,
);
