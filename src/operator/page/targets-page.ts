import type { TargetPage } from '../../contract/page';
import type { CircuitState, TargetState, TargetTraffic } from '../../contract/page-ledger';
import type { Policy, Target } from '../../contract/policy';

/** Every target that the configuration has. */
export function targetsOf(
  { arms }: Pick<Policy, 'arms'>,
  traffic: readonly TargetTraffic[],
  states: readonly TargetState[],
): readonly TargetPage[] {
  const all = Object.values(arms).flatMap((arm) => arm.targets.map((target) => ({ arm: arm.name, target })));
  const names = [...new Set(all.map(({ target }) => target.name))];
  return names.map((name) => {
    const own = all.filter(({ target }) => target.name === name);
    const known = states.filter((state) => own.some(({ target }) => isOf(state, target)));
    return {
      name,
      arms: [...new Set(own.map(({ arm }) => arm))],
      circuit: worstOf(known),
      ...trafficOf(traffic.find(({ target }) => target === name)),
      lastSuccessAtMs: latestOf(known),
    };
  });
}

function isOf(state: TargetState, { provider, model }: Target): boolean {
  return state.provider === provider && state.model === model;
}

const fromWorst: readonly CircuitState[] = ['open', 'half-open', 'closed'];

function worstOf(states: readonly TargetState[]): CircuitState | null {
  return fromWorst.find((circuit) => states.some(({ state }) => state === circuit)) ?? null;
}

function latestOf(states: readonly TargetState[]): number | null {
  const times = states.flatMap(({ lastSuccessAtMs }) => lastSuccessAtMs ?? []);
  return times.length === 0 ? null : Math.max(...times);
}

function trafficOf(
  traffic: TargetTraffic | undefined,
): Pick<TargetPage, 'calls' | 'errors' | 'latencyP50Ms' | 'latencyP95Ms'> {
  if (traffic === undefined) return { calls: 0, errors: [], latencyP50Ms: null, latencyP95Ms: null };
  const { calls, latencyP50Ms, latencyP95Ms } = traffic;
  const all = [...calls.values()].reduce((sum, count) => sum + count, 0);
  return { calls: all, errors: failuresIn(calls), latencyP50Ms, latencyP95Ms };
}

/** Calls by how they failed, the most frequent first. */
export function failuresIn(calls: ReadonlyMap<string, number>): readonly { outcome: string; calls: number }[] {
  return [...calls]
    .filter(([outcome]) => outcome !== 'answered')
    .map(([outcome, count]) => ({ outcome, calls: count }))
    .toSorted((one, other) => other.calls - one.calls || (one.outcome < other.outcome ? -1 : 1));
}
