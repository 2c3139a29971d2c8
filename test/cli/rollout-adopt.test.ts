import { afterAdoption } from '../../src/cli/rollout/emergency';

test('says what an adopted rollout needs, which is not always to be resumed', () => {
  expect(afterAdoption('november', 'Paused')).toMatch(/rollout resume november$/);
  expect(afterAdoption('november', 'Held')).toMatch(/rollout resume november --reason/);
  expect(afterAdoption('november', 'Promoting')).toMatch(/^Nothing is paused at 100%: .* rollout rollback november$/);
});
