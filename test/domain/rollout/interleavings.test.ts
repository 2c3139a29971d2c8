import * as fc from 'fast-check';
import type {
  RolloutDecision,
  RolloutEntry,
  RolloutOccasion,
  RolloutSpec,
  RolloutState,
} from '../../../src/contract/rollout';
import { advanceRollout } from '../../../src/domain/rollout/advance-rollout';
import { ofRequests } from '../../../src/domain/rollout/evidence';
import { findWrongDecision } from '../../../src/domain/rollout/verify';
import { startedAtMs } from './given';
import { type Happening, happenings, specs } from './interleavings';

/** One decision as the audit keeps it, and what it was taken from. */
interface Move extends RolloutOccasion {
  readonly before: RolloutState;
  readonly decision: RolloutDecision;
}

const copied = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
const begun = { atMs: startedAtMs, evidence: null, command: null };

function play(spec: RolloutSpec, happened: readonly Happening[]): readonly Move[] {
  let state = advanceRollout(spec, null, begun).next;
  let atMs = startedAtMs;
  return happened.map((happening) => {
    atMs = happening.atMs(spec, state, atMs);
    const command = happening.command(state);
    // As the workflow has it: no other command needs evidence.
    const evidence = command === null || command.name === 'promote' ? happening.evidence(state, atMs) : null;
    const before = happening.isAfterRestart ? copied(state) : state;
    const decision = advanceRollout(spec, before, { atMs, evidence, command });
    state = decision.next;
    return { before, atMs, evidence, command, decision };
  });
}

/** Holds for every move of every run that fast-check makes up. */
function everyMove(check: (move: Move, spec: RolloutSpec) => void, numRuns = 300): void {
  fc.assert(
    fc.property(specs, happenings, (spec, happened) => {
      for (const move of play(spec, happened)) check(move, spec);
    }),
    { numRuns },
  );
}

/** Computed here from the rule's own words: E at 99.7 % against 99 %, with a chance of a thousandth. */
function isProven({ before, atMs, evidence: seen }: Move): boolean {
  const evidence = ofRequests(seen);
  if (evidence === null || evidence.bake !== before.bake || evidence.newestCanaryAtMs === null) return false;
  const { canarySuccesses, canaryFailures, canary } = evidence;
  const e = canarySuccesses * Math.log(0.997 / 0.99) + canaryFailures * Math.log(0.003 / 0.01);
  const isFresh = atMs - evidence.newestCanaryAtMs <= 15 * 60 * 1000;
  return e >= Math.log(1000) && canary.successes + canary.failures >= 300 && isFresh;
}

function isFrozen({ freezeWindows }: RolloutSpec, atMs: number): boolean {
  return freezeWindows.some(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs);
}

describe('whatever happens, in any order', () => {
  it('the percentage changes only by one step of the plan, by an operator’s full promotion, or to 0 by a rollback', () => {
    everyMove(({ before, command, decision: { action, next } }, { steps }) => {
      const percents = [...steps.map(({ percent }) => percent), 100];
      if (action === 'advance') {
        const step = command?.full ? steps.length : before.step + 1;
        expect(next).toMatchObject({ step, percent: percents[step] });
        expect(next.percent).toBeGreaterThan(before.percent);
      } else if (action === 'roll-back') {
        expect(next).toMatchObject({ phase: 'RolledBack', percent: 0, step: before.step });
      } else {
        expect(next).toMatchObject({ percent: before.percent, step: before.step, reached: before.reached });
      }
    });
  });

  it('every change has a numbered row, and an entry in the list of steps', () => {
    everyMove(({ before, atMs, decision: { action, reason, next } }) => {
      expect(next.sequence).toBe(before.sequence + 1);
      const isMove = action === 'advance' || action === 'roll-back';
      const rows = isMove ? [{ percent: next.percent, startedAtMs: atMs, because: reason }] : [];
      expect(next.reached).toEqual([...before.reached, ...rows]);
      expect(next.bake).toBe(before.bake + Number(isMove || (action === 'resume' && before.phase === 'Held')));
    });
  });

  it('nothing advances automatically without E, 300 requests, fresh data, the bake and the time of the plan', () => {
    everyMove((move, spec) => {
      const { before, atMs, command, decision } = move;
      if (decision.action !== 'advance' || command !== null) return;
      expect(before.phase).toBe('Progressing');
      expect(isProven(move)).toBe(true);
      const { nominalEndMs, minimumBakeMs } = spec.steps[before.step]!;
      expect(atMs).toBeGreaterThanOrEqual(before.startedAtMs + nominalEndMs);
      expect(atMs).toBeGreaterThanOrEqual(before.stepStartedAtMs + minimumBakeMs);
      expect(isFrozen(spec, atMs)).toBe(false);
    });
  });

  it('an operator advances without that evidence only by force and with a reason', () => {
    everyMove((move, spec) => {
      const { before, atMs, command, decision } = move;
      if (decision.action !== 'advance' || command === null) return;
      expect(command).toMatchObject({ name: 'promote' });
      expect(command.problem).toBeUndefined();
      if (command.force) {
        expect(command.reason?.trim()).toMatch(/./);
      } else {
        expect(before.phase).toBe('Progressing');
        expect(isProven(move) && !isFrozen(spec, atMs)).toBe(true);
      }
    });
  });

  it('a rollback wins, and nothing moves after it or after the end', () => {
    everyMove(({ before, command, decision: { action, next } }) => {
      if (before.endedAtMs !== null) {
        expect(action).toBe(command === null ? 'wait' : 'refuse');
        expect(next).toEqual({ ...before, sequence: next.sequence });
      } else if (command?.name === 'rollback') {
        expect(action).toBe('roll-back');
      }
      expect(next.endedAtMs !== null).toBe(next.phase === 'RolledBack' || next.phase === 'Succeeded');
      expect(next.percent === 0).toBe(next.phase === 'RolledBack');
    });
  });

  it('only an operator moves a paused or held rollout upwards', () => {
    everyMove(({ before, command, decision: { next } }) => {
      if (before.phase !== 'Paused' && before.phase !== 'Held') return;
      const upwards = next.phase === 'Progressing' || next.phase === 'Promoting';
      expect(upwards && command === null).toBe(false);
      if (before.phase === 'Held') expect(next.phase).not.toBe('Paused');
    });
  });

  it('the same inputs, as objects or as JSON, give the same decision and are not changed', () => {
    everyMove(({ decision, before, ...occasion }, spec) => {
      const inputs = copied({ spec, before, occasion });
      expect(copied(advanceRollout(inputs.spec, inputs.before, inputs.occasion))).toEqual(copied(decision));
      expect(inputs).toEqual(copied({ spec, before, occasion }));
    });
  });

  it('verification accepts the trail, and rejects it if any one decision is changed', () => {
    fc.assert(
      fc.property(specs, happenings, fc.nat(), (spec, happened, chosen) => {
        const rows = [
          { spec, ...begun, decision: advanceRollout(spec, null, begun) },
          ...play(spec, happened).map(({ atMs, evidence, command, decision }) => ({
            spec,
            atMs,
            evidence,
            command,
            decision,
          })),
        ].map(rowOf);
        expect(findWrongDecision(rows)).toBeNull();
        const index = chosen % rows.length;
        const forged = copied(JSON.parse(rows[index]!.entry) as RolloutEntry);
        const entry = { ...forged, decision: { ...forged.decision, next: { ...forged.decision.next, percent: 99 } } };
        const wrong = findWrongDecision(rows.with(index, { ...rows[index]!, entry: JSON.stringify(entry) }));
        expect(wrong?.sequence).toBe(index + 1);
      }),
      { numRuns: 200 },
    );
  });

  it('covers nearly everything: all of these moves occur', () => {
    const seen = new Set<string>();
    everyMove(({ before, command, decision: { action } }) => {
      seen.add(`${before.phase}: ${command?.name ?? 'analysis'}, ${action}`);
    }, 2000);
    const analyses = {
      Progressing: ['wait', 'advance', 'hold', 'roll-back'],
      Paused: ['wait', 'hold', 'roll-back'],
      Held: ['wait', 'roll-back'],
      Promoting: ['wait', 'finish'],
      Succeeded: ['wait'],
      RolledBack: ['wait'],
    };
    const promotions = { Progressing: ['advance', 'refuse'], Paused: ['refuse'], Held: ['advance', 'refuse'] };
    const expected = [
      ...Object.entries(analyses).flatMap(([phase, actions]) => actions.map((to) => `${phase}: analysis, ${to}`)),
      ...Object.entries(promotions).flatMap(([phase, actions]) => actions.map((to) => `${phase}: promote, ${to}`)),
      ...['Progressing', 'Held', 'Paused'].map((phase) => `${phase}: rollback, roll-back`),
      ...['Held', 'Paused'].map((phase) => `${phase}: resume, resume`),
      'Progressing: pause, pause',
      'RolledBack: rollback, refuse',
    ];
    expect([...seen]).toEqual(expect.arrayContaining(expected));
  });
});

function rowOf(entry: RolloutEntry) {
  const { spec, command, decision, atMs } = entry;
  const stored = (text: string): string => Buffer.from(text, 'utf8').toString('utf8').replaceAll('\0', '\u{FFFD}');
  return {
    rollout: spec.name,
    sequence: decision.next.sequence,
    atMs,
    actor: command?.actor ?? (decision.action === 'start' ? spec.actor : 'bellwether'),
    action: decision.action,
    reason: stored(decision.reason),
    entry: JSON.stringify(entry),
  };
}
