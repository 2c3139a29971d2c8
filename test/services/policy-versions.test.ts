import { loadSettings } from '../../src/config/load-settings';
import type { Settings } from '../../src/config/settings';
import { PolicyVersions } from '../../src/services/policy-versions';

const first = loadSettings({ environment: {} });
const withDeadline = (turnDeadlineMs: number): Settings => ({
  ...first,
  policy: { ...first.policy, retry: { ...first.policy.retry, turnDeadlineMs } },
});

test('calls are not given up as abandoned while a turn of any kept version may make them', async () => {
  const versions = new PolicyVersions(withDeadline(60_000));
  versions.use(withDeadline(300_000));
  expect(versions.longestTurnMs).toBe(300_000);
  versions.use(withDeadline(30_000));
  expect(versions.longestTurnMs).toBe(300_000);
  await versions.close();
});
