import type { Evidence, RolloutCommandInput, RolloutCommandName, RolloutOccasion } from '../../src/contract/rollout';
import { asText } from '../../src/cli/rollout/explain';
import { explain } from '../../src/operator/explanation';
import type { TrailEntry } from '../../src/operator/trail';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { arm, hourMs, provenAt, specWith, startedAtMs } from '../domain/rollout/given';

/** The trail of a rollout, with times in hours after its start. */
class Trail {
  readonly entries: TrailEntry[] = [];

  constructor() {
    this.add({ atMs: startedAtMs, evidence: null, command: null });
  }

  look(atHours: number, changes: Partial<Evidence> | null = {}): this {
    return this.add({ ...this.seenAt(atHours, changes), command: null });
  }

  command(name: RolloutCommandName, atHours: number, input: RolloutCommandInput = {}): this {
    const seen = this.seenAt(atHours, name === 'promote' ? tooFew : null);
    return this.add({ ...seen, command: { name, actor: 'bob', ...input } });
  }

  private seenAt(atHours: number, changes: Partial<Evidence> | null) {
    const state = this.entries.at(-1)?.decision.next;
    if (state === undefined) throw new Error('It has not begun.');
    const atMs = startedAtMs + atHours * hourMs;
    return { atMs, evidence: changes && provenAt(state, atMs, changes) };
  }

  private add(occasion: RolloutOccasion): this {
    const spec = specWith();
    const before = this.entries.at(-1)?.decision.next ?? null;
    const decision = advanceRollout(spec, before, occasion);
    const { action, reason } = decision;
    const sequence = decision.next.sequence;
    const hashes = { previousHash: '', keyId: null, hash: '' };
    const row = { position: sequence, rollout: spec.name, sequence, atMs: occasion.atMs, actor: 'bob', action, reason };
    this.entries.push({ ...occasion, spec, decision, before, row: { ...row, ...hashes, entry: '' } });
    return this;
  }
}

const tooFew: Partial<Evidence> = { canarySuccesses: 10, canaryFailures: 0, canary: arm(10, 0, { users: 10 }) };
const because = { reason: 'we know better' };

function missing({ entries }: Trail): readonly string[] {
  return explain(entries).missing;
}

function text({ entries }: Trail): string {
  return asText(explain(entries)).join('\n');
}

describe('what is missing for the next step of a rollout', () => {
  it('is what the last analysis says', () => {
    const trail = new Trail().look(1, tooFew);
    expect(missing(trail)).toEqual(trail.entries.at(-1)?.decision.missing);
    expect(text(trail)).toContain('Missing for the next step:');
  });

  it('is the evidence, if none could be read', () => {
    const trail = new Trail().look(1, tooFew).look(2, null);
    expect(missing(trail)).toHaveLength(1);
    expect(missing(trail)).toEqual(trail.entries.at(-1)?.decision.missing);
  });

  it('stays the same after a refused promotion', () => {
    const trail = new Trail().look(1, tooFew);
    const before = missing(trail);
    expect(before).not.toEqual([]);
    expect(missing(trail.command('promote', 1.1))).toEqual(before);
    expect(trail.entries.at(-1)?.decision.action).toBe('refuse');
  });

  it('is an operator while it is held, until one resumes it', () => {
    const trail = new Trail().look(1, { canarySlowCalls: 900 });
    expect(missing(trail)).toEqual([expect.stringContaining('An operator must promote')]);
    expect(missing(trail.command('resume', 2, because))).toEqual([]);
  });

  it('is an operator while it is paused, until one resumes it', () => {
    const trail = new Trail().command('pause', 1).look(2);
    expect(missing(trail)).toEqual(['An operator must resume.']);
    expect(missing(trail.command('resume', 3))).toEqual([]);
  });

  it.each([
    ['a rollback', new Trail().look(1, tooFew).command('rollback', 2)],
    [
      'its end',
      new Trail()
        .look(1, tooFew)
        .command('promote', 2, { ...because, force: true, full: true })
        .look(48),
    ],
    ['a forced step', new Trail().look(1, tooFew).command('promote', 2, { ...because, force: true })],
  ])('is nothing after %s, and the text does not claim that nothing was missing', (_, trail) => {
    expect(missing(trail)).toEqual([]);
    expect(text(trail)).not.toMatch(/missing/i);
  });

  it('was nothing if the evidence led to the next step', () => {
    const trail = new Trail().look(24);
    expect(trail.entries.at(-1)?.decision.action).toBe('advance');
    expect(text(trail)).toMatch(/\nNothing was missing\.$/);
  });
});
