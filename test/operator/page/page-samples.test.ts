import { pageSample, pageStates, sessionSample, viewerSample } from '../../support/page-data';

const phases = {
  'no rollout': undefined,
  progressing: 'Progressing',
  held: 'Held',
  paused: 'Paused',
  'rolled back': 'RolledBack',
  promoting: 'Promoting',
  succeeded: 'Succeeded',
  'taken over': 'TakenOver',
  unreachable: 'Progressing',
  overdue: 'Progressing',
  'long names': 'Progressing',
} as const;

test.each(pageStates)('the sample "%s" is in its state', async (state) => {
  const { rollout } = await pageSample(state);
  expect(rollout?.now.phase).toBe(phases[state]);
});

test('the samples of a session and of a viewer are what they say', () => {
  expect(sessionSample.turns.map(({ outcome }) => outcome)).toEqual(['degraded', 'answered', 'answered']);
  expect(viewerSample.mayOperate).toBe(false);
});
