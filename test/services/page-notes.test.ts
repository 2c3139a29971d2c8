import type { CircuitState } from '../../src/contract/page-ledger';
import { PageNotes } from '../../src/services/page-notes';

test('a worker tells its targets when one changes, and often enough to be known to live', async () => {
  const told: string[] = [];
  let state: CircuitState = 'closed';
  const tallies = {
    tallyTraffic: () => Promise.resolve(),
    writeTargetStates: (_worker: string, states: readonly { readonly state: string }[]) => {
      told.push(states.map((one) => one.state).join());
      return Promise.resolve();
    },
    claimVerification: () => Promise.resolve(false),
    keepVerification: () => Promise.resolve(),
  };
  const target = { provider: 'holysheep', model: 'deepseek-v3.2', lastSuccessAtMs: null };
  const notes = new PageNotes({ tallies }, 'worker', () => [{ ...target, state }]);
  await notes.write();
  await notes.write();
  expect(told).toEqual(['closed']);
  state = 'open';
  await notes.write();
  expect(told).toEqual(['closed', 'open']);
  for (let note = 0; note < 3; note += 1) await notes.write();
  expect(told).toEqual(['closed', 'open', 'open']);
});
