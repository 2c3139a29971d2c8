import { surviveKills } from './killed-workers';

test('60 turns are answered once each and accounted for, though a worker and the Temporal server are killed', () =>
  surviveKills({ turnCount: 60, callerCount: 8, mostWorkerKills: 2, workflowTaskTimeoutSeconds: 5 }));
