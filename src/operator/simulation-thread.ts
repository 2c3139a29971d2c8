import { parentPort, workerData } from 'node:worker_threads';
import { type FinishedRuns, runShare, type SimulationShare } from './simulation';

// The thread ends by itself once its share is done.
void runShare(workerData as SimulationShare, (runs: FinishedRuns) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows; threads have no origin
  parentPort?.postMessage(runs);
});
