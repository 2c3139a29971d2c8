import { asText } from '../../src/cli/rollout/explain';
import { explain, explanationAsJson } from '../../src/operator/explanation';
import type { TrailEntry } from '../../src/operator/trail';
import { closed, tally, UserRollout, userSpec } from '../domain/rollout/given-users';

/** The trail that the ledger would have of it. */
function trailOf({ entries }: UserRollout): readonly TrailEntry[] {
  return entries.map((entry, index) => {
    const { action, reason, next } = entry.decision;
    const hashes = { previousHash: '', keyId: null, hash: '', entry: '' };
    const place = { position: index + 1, rollout: entry.spec.name, sequence: next.sequence, atMs: entry.atMs };
    const before = entries[index - 1]?.decision.next ?? null;
    return { ...entry, before, row: { ...place, actor: 'bellwether', action, reason, ...hashes } };
  });
}

function text(rollout: UserRollout): string {
  return asText(explain(trailOf(rollout))).join('\n');
}

describe('the explanation of a decision by users', () => {
  it('has E and the users to go, and the rates of users', () => {
    const rollout = new UserRollout();
    rollout.look(1, { closed: closed(100, 0), canary: tally(100), baseline: tally(900, { firstCallFaults: 90 }) });
    const explained = text(rollout);
    expect(explained).toMatch(/E, to advance +\d\.\d\d of 6\.91 +no +holysheep is better than the minimum/);
    expect(explained).toMatch(/ {2}- E 0\.\d of 6\.9, about \d+ users without a failure to go\./);
    expect(explained).toContain('at 10%: holysheep 100% of 100 users, legacy 90% of 900 users.');
    expect(explained).toContain('  - 100 of 1000 users of holysheep in this step.');
  });

  it('names the language of an alarm', () => {
    const rollout = new UserRollout(userSpec({ languages: ['zh'] }));
    const zh = {
      language: 'zh',
      canary: tally(400, { flaggedUsers: { 'wrong-language': 40 } }),
      baseline: tally(3_600),
    };
    const decision = rollout.lookAt(1, { flaggedUsers: { 'wrong-language': 40 } }, { languages: [zh] });
    expect(decision.action).toBe('hold');
    const explained = text(rollout);
    const finding =
      /In zh: more first answers of holysheep are flagged wrong-language: holysheep 40 of 400 users, legacy 0 of 3600 users/;
    expect(explained).toMatch(finding);
    expect(explained).toMatch(/zh: flag wrong-language +[\d.]+ of [\d.]+ +yes/);
    expect(explanationAsJson(explain(trailOf(rollout)))).toMatchObject({
      findings: expect.arrayContaining([expect.stringMatching(finding)]),
    });
  });

  it('names the language of most flagged answers, also where it is too rare for a finding of its own', () => {
    const rollout = new UserRollout();
    const zh = { language: 'zh', canary: tally(45, { flaggedUsers: { empty: 38 } }), baseline: tally(400) };
    const en = { language: 'en', canary: tally(955, { flaggedUsers: { empty: 2 } }), baseline: tally(8_600) };
    rollout.lookAt(1, { flaggedUsers: { empty: 40 } }, { languages: [en, zh] });
    expect(text(rollout)).toMatch(
      /are flagged empty: holysheep 40 of 1000 users, .*\. 38 of these 40 users of holysheep ask in zh\./,
    );
    expect(text(rollout)).not.toContain('In zh');
  });
});
