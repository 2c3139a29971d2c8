import type { RolloutEntry } from '../../src/contract/rollout';
import { randomOfRun } from '../../src/domain/rollout/simulate-draws';
import { SimulatedEvidence } from '../../src/domain/rollout/simulate-evidence';
import { findWrongDecision } from '../../src/domain/rollout/verify';
import { alike, hourMs } from '../domain/rollout/simulated-traffic';
import { goodCanary, steps, type VirtualRollout, virtualRollouts } from './virtual-rollout';
import { rolloutResult } from '../support/rollout-result';

/** Each test takes some hundred decisions. */
jest.setTimeout(180_000);

const createRollout = virtualRollouts();
const languages = [
  { language: 'en', share: 0.6 },
  { language: 'zh', share: 0.3 },
  { language: 'th', share: 0.1 },
];
const incident = { fromMs: 20 * hourMs, toMs: 21 * hourMs, failing: 0.3 };

/** Users with and without the incident; those of the incident no longer count once its time is excluded. */
function seeUsers(rollout: VirtualRollout): void {
  const evidenceOf = (incidents: readonly (typeof incident)[]) =>
    new SimulatedEvidence(alike({ languages, incidents }), rollout.spec.gates, randomOfRun('72 hours', 1));
  const [whole, calm] = [evidenceOf([incident]), evidenceOf([])];
  rollout.users = async (hours, { excluded }) => {
    const row = await rollout.ledger.rollouts.lastAuditRow(rollout.spec.name);
    const { next } = (JSON.parse(row!.entry) as RolloutEntry).decision;
    const seen = [whole.at(hours * hourMs, next), calm.at(hours * hourMs, next)];
    return seen[excluded.length === 0 ? 0 : 1]!;
  };
}

test('72 hours by users: languages, an incident that is excluded, a pause, and a share that is held back', async () => {
  const rollout = await createRollout(goodCanary, { rule: 2, languages: ['zh', 'th'], holdbackPercent: 3 });
  seeUsers(rollout);
  const worker = await rollout.worker();
  const signal = (name: string, input: object) => rollout.handle.signal(name, { actor: 'ann', ...input });
  const result = await worker.runUntil(async () => {
    const workflow = await rollout.start();
    await rollout.environment.sleep('23.5 hours');
    const { state } = await rollout.status();
    expect(state).toMatchObject({ phase: 'Held', percent: 25 });
    expect(state.message).toContain('It is not shown that legacy does better');
    const time = { fromMs: state.startedAtMs + 19 * hourMs, toMs: state.startedAtMs + 22 * hourMs };
    await signal('exclude', { ...time, reason: 'both providers were behind one network' });
    await signal('resume', { reason: 'the network is back' });
    await rollout.environment.sleep('17 hours');
    await signal('pause', { reason: 'a holiday' });
    await rollout.environment.sleep('3 hours');
    await signal('resume', {});
    return rolloutResult(workflow);
  });

  expect(steps(result)).toEqual([
    [10, 0],
    [25, 18],
    [50, 30],
    [75, 60],
    [97, 72],
    [100, 96],
  ]);
  const trail = await rollout.ledger.rollouts.auditTrail(rollout.spec.name);
  expect(trail.filter(({ actor }) => actor === 'ann').map(({ action }) => action)).toEqual([
    'exclude',
    'resume',
    'pause',
    'resume',
  ]);
  expect(findWrongDecision(trail)).toBeNull();
  const { decision } = JSON.parse(trail.at(-1)!.entry) as RolloutEntry;
  expect(decision.next).toMatchObject({ phase: 'Succeeded', percent: 100, bake: 7 });
  // Held from the analysis after the incident began to show, then paused for three hours.
  const stoppedHours = (decision.next.byUsers?.stoppedMs ?? 0) / hourMs;
  expect(stoppedHours).toBeGreaterThan(5);
  expect(stoppedHours).toBeLessThan(6.6);
});
