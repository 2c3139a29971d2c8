import * as fc from 'fast-check';
import type {
  RolloutCommand,
  RolloutCommandName,
  RolloutDecision,
  RolloutEntry,
  RolloutSpec,
  RolloutState,
} from '../../../src/contract/rollout';
import type { UserEvidence, UserTally } from '../../../src/contract/user-evidence';
import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { ofUsers } from '../../../src/domain/rollout/evidence';
import { replayRollout } from '../../../src/domain/rollout/replay';
import { successionProblem } from '../../../src/domain/rollout/succession';
import { readCommand } from '../../../src/domain/rollout/validate-command';
import { findWrongDecision } from '../../../src/domain/rollout/verify';
import { hourMs, startedAtMs } from './given';
import { closed, evenCost, provenByUsers, tally, userSpec } from './given-users';

/** Around all limits: mostly good, now and then too little, failing, flagged, dear, of the wrong users, old or unseen. */
const kinds = {
  proven: {},
  'E is missing': { closed: closed(1_500, 9) },
  'few users': { canary: tally(999) },
  'a low rate': { canary: tally(1_000, { firstCallFaults: 11 }), baseline: tally(9_000, { firstCallFaults: 99 }) },
  breach: { canary: tally(1_000, { firstCallFaults: 900, faultyUsers: 900 }) },
  incident: {
    canary: tally(1_000, { firstCallFaults: 90, faultyUsers: 90 }),
    baseline: tally(1_000, { firstCallFaults: 90, faultyUsers: 90 }),
  },
  flags: { canary: tally(1_000, { flaggedUsers: { refused: 80 } }) },
  cost: { canary: tally(1_000, { cost: evenCost(1_000, 8_000) }) },
  stale: { newestCanaryAtMs: startedAtMs },
  'an earlier bake': { bake: 0 },
} satisfies Record<string, Partial<UserEvidence>>;
type Kind = keyof typeof kinds;

const happening = fc.record({
  afterMs: fc.oneof(fc.constant(0), fc.nat(12 * hourMs), fc.nat(40 * hourMs)),
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant<Kind>('proven') },
    { weight: 5, arbitrary: fc.constantFrom(...(Object.keys(kinds) as Kind[])) },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  command: fc.oneof(
    { weight: 4, arbitrary: fc.constant(null) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<RolloutCommandName[]>(
        'promote',
        'pause',
        'resume',
        'exclude',
        'rollback',
        'resume',
        'resume',
      ),
    },
  ),
  input: fc.record({
    reason: fc.constantFrom('mended', 'checked', undefined),
    full: fc.boolean(),
    force: fc.boolean(),
    agoMs: fc.nat(3 * hourMs),
  }),
});

const specs = fc
  .record({ holdbackPercent: fc.constantFrom(0, 3), cost: fc.constantFrom('act' as const, 'report' as const) })
  .map(({ holdbackPercent, cost }) => userSpec({ holdbackPercent }, { guards: { cost } }));

interface Move extends RolloutEntry {
  readonly entry: RolloutEntry;
  readonly before: RolloutState;
  readonly kind: Kind | null;
}

const copied = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

function play(spec: RolloutSpec, happened: readonly (typeof happening extends fc.Arbitrary<infer T> ? T : never)[]) {
  const begun = { atMs: startedAtMs, evidence: null, command: null };
  const start = { spec, ...begun, decision: advanceRollout(spec, null, begun) };
  let state = start.decision.next;
  let atMs = startedAtMs;
  const moves = happened.map(({ afterMs, kind, command: name, input }): Move => {
    atMs += afterMs;
    const before = copied(state);
    const { agoMs, ...said } = input;
    const time = { fromMs: atMs - agoMs - hourMs, toMs: atMs - agoMs };
    const command: RolloutCommand | null = name === null ? null : readCommand(name, { actor: 'ann', ...said, ...time });
    const isSeen = kind !== null && (name === null || name === 'promote');
    const evidence = isSeen ? provenByUsers(before, atMs, kinds[kind]) : null;
    const decision = advanceRollout(spec, before, { atMs, evidence, command });
    state = decision.next;
    const entry = { spec, atMs, evidence, command, decision };
    return { ...entry, entry, before, kind: isSeen ? kind : null };
  });
  return { start, moves };
}

function everyMove(check: (move: Move) => void, numRuns = 300): void {
  const lives = fc.array(happening, { minLength: 5, maxLength: 30, size: 'max' });
  fc.assert(
    fc.property(specs, lives, (spec, happened) => {
      for (const move of play(spec, happened).moves) check(move);
    }),
    { numRuns },
  );
}

const rateOf = ({ firstCalls, firstCallFaults }: UserTally): number => 1 - firstCallFaults / firstCalls;

describe('whatever happens to a rollout by users, in any order', () => {
  it('every state follows from the one before, and rows are numbered', () => {
    everyMove(({ before, decision: { next } }) => {
      expect(successionProblem(before, next)).toBeNull();
      expect(next.sequence).toBe(before.sequence + 1);
    });
  });

  it('nothing advances automatically but what is proven in all respects', () => {
    everyMove(({ before, decision, command, kind, evidence, atMs, spec }) => {
      if (decision.action !== 'advance' || command !== null) return;
      const seen = ofUsers(evidence);
      expect(before.phase).toBe('Progressing');
      expect(kind === 'proven' || (kind === 'cost' && spec.gates.guards?.cost === 'report')).toBe(true);
      expect(seen && rateOf(seen.canary)).toBeGreaterThanOrEqual(0.99);
      expect(atMs).toBeGreaterThanOrEqual(startedAtMs + spec.steps[before.step]!.nominalEndMs);
    });
  });

  it('a breach that is worse rolls back whatever the phase, unless nobody is left to compare with', () => {
    everyMove(({ before, decision, kind, command }) => {
      if (kind !== 'breach' || command !== null || before.endedAtMs !== null) return;
      expect(decision.action).toBe(before.percent === 100 ? 'wait' : 'roll-back');
    });
  });

  it('nothing finishes without evidence, or while a finding stands', () => {
    everyMove(({ before, decision, kind, spec }) => {
      if (decision.action !== 'finish') return;
      expect(['breach', 'incident', 'an earlier bake', null]).not.toContain(kind);
      // At 100% nobody is left to compare with.
      if (before.percent < 100) expect(kind).not.toBe('flags');
      if (before.percent < 100 && kind === 'cost') expect(spec.gates.guards?.cost).toBe('report');
      expect(decision.next.percent).toBe(100);
    });
  });

  it('a rollback works until the end, and nothing moves after it', () => {
    everyMove(({ before, command, decision: { action, next } }) => {
      if (before.endedAtMs !== null) expect(next).toMatchObject({ percent: before.percent, phase: before.phase });
      else if (command?.name === 'rollback') expect(action).toBe('roll-back');
    });
  });

  it('the deadline moves by just the time that the rollout was stopped', () => {
    const lives = fc.array(happening, { minLength: 5, maxLength: 30, size: 'max' });
    fc.assert(
      fc.property(specs, lives, (spec, happened) => {
        let stoppedMs = 0;
        let before = startedAtMs;
        let wasStopped = false;
        for (const { atMs, decision } of play(spec, happened).moves) {
          if (wasStopped) stoppedMs += atMs - before;
          const { phase, byUsers } = decision.next;
          wasStopped = phase === 'Paused' || phase === 'Held';
          const openMs = byUsers!.stoppedAtMs === null ? 0 : atMs - byUsers!.stoppedAtMs;
          expect(byUsers!.stoppedMs + openMs).toBe(stoppedMs);
          before = atMs;
        }
      }),
      { numRuns: 200 },
    );
  });

  it('verification accepts the trail, and replay under the same spec decides the same', () => {
    const lives = fc.array(happening, { minLength: 5, maxLength: 30, size: 'max' });
    fc.assert(
      fc.property(specs, lives, (spec, happened) => {
        const { start, moves } = play(spec, happened);
        const entries: RolloutEntry[] = [start, ...moves.map(({ entry }) => entry)];
        expect(findWrongDecision(entries.map(rowOf))).toBeNull();
        expect(replayRollout(entries, spec).firstDivergence).toBeNull();
      }),
      { numRuns: 200 },
    );
  });

  it('covers nearly everything: all of these moves occur', () => {
    const seen = new Set<string>();
    everyMove(({ before, command, decision: { action } }) => {
      seen.add(`${before.phase}: ${command?.name ?? 'analysis'}, ${action}`);
    }, 1000);
    const actions: Readonly<Record<string, readonly string[]>> = {
      'Progressing: analysis': ['wait', 'advance', 'hold', 'roll-back'],
      'Paused: analysis': ['wait', 'hold', 'roll-back'],
      'Held: analysis': ['wait', 'roll-back'],
      'Promoting: analysis': ['wait', 'finish', 'roll-back'],
      'Promoting: resume': ['resume', 'refuse'],
      'Held: exclude': ['exclude', 'refuse'],
      'Paused: resume': ['resume'],
    };
    const expected = Object.entries(actions).flatMap(([what, all]) => all.map((action) => `${what}, ${action}`));
    expect(expected.filter((move) => !seen.has(move))).toEqual([]);
  });
});

function rowOf(entry: RolloutEntry) {
  const { spec, decision, command, atMs } = entry;
  const { action, reason, next }: RolloutDecision = decision;
  const actor = command?.actor ?? (action === 'start' ? spec.actor : 'bellwether');
  return { rollout: spec.name, sequence: next.sequence, atMs, actor, action, reason, entry: JSON.stringify(entry) };
}
