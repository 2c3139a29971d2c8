import { join } from 'node:path';
import type { Ledger } from '../../src/contract/ledger';
import type { RolloutSpec } from '../../src/contract/rollout';
import type { AnswerFlag } from '../../src/contract/user-evidence';
import { openLedger } from '../../src/ledger/open-ledger';
import { advanceRollout } from '../../src/domain/rollout/advance-rollout';
import { admitRequest, plan, reservation, settled, turnRecord } from '../ledger/requests';
import { rolloutSpec } from '../support/rollout-spec';
import { CliWorkspace } from './run-cli';

const withoutTemporal = { TEMPORAL_ADDRESS: '127.0.0.1:1' };

let workspace: CliWorkspace;
beforeEach(() => {
  workspace = new CliWorkspace();
});
afterEach(() => workspace.remove());

async function withLedger(work: (ledger: Ledger) => Promise<void>): Promise<void> {
  const ledger = await openLedger({ dataDirectory: join(workspace.directory, '.bellwether') });
  try {
    await work(ledger);
  } finally {
    await ledger.close();
  }
}

async function start(ledger: Ledger, spec: RolloutSpec, startedAtMs: number): Promise<void> {
  const occasion = { atMs: startedAtMs, evidence: null, command: null };
  const decision = advanceRollout(spec, null, occasion);
  await ledger.rollouts.record({ spec, ...occasion, decision }, spec.baselineArm);
}

interface Answered {
  readonly rollout: string;
  readonly arm: string;
  readonly user: string;
  readonly atMs: number;
  readonly outcome?: 'answered' | 'timeout';
  readonly language?: string;
  readonly flags?: readonly AnswerFlag[];
}

/** One turn of 30 prompt tokens, 10 of them cached, and 12 of the answer, for 1,000 nano-dollars. */
async function turn(ledger: Ledger, told: Answered): Promise<void> {
  const { rollout, arm, user, atMs, outcome = 'answered', language = null, flags = [] } = told;
  const turnId = `${rollout}/${arm}/${user}`;
  const target = `${arm}-primary`;
  const model = arm === 'legacy' ? 'legacy-chat' : 'deepseek-v3.2';
  const call = reservation(5_000, { arm, target, provider: arm, model });
  const request = { userId: user, sessionId: null, language, plan: () => plan(call, { rollout, bake: 1 }), atMs };
  await ledger.admit(admitRequest(turnId, 5_000, request));
  const isAnswered = outcome === 'answered';
  const settlement = settled(1, isAnswered ? 1_000 : 0, {
    outcome,
    endedAtMs: atMs + 180,
    ...(!isAnswered && { state: 'unconfirmed', usage: null, httpStatus: null }),
  });
  const record = {
    outcome: isAnswered ? 'answered' : 'degraded',
    target: isAnswered ? target : null,
    flags,
    atMs,
  } as const;
  await ledger.recordTurn(turnRecord(turnId, [settlement], record));
}

async function fill(ledger: Ledger, rollout: string, canaryUsers: number, baselineUsers: number): Promise<void> {
  const atMs = Date.now();
  for (let user = 0; user < canaryUsers; user += 1) {
    await turn(ledger, { rollout, arm: 'holysheep', user: `c${user}`, atMs });
  }
  for (let user = 0; user < baselineUsers; user += 1) {
    const outcome = user % 5 === 0 ? 'timeout' : 'answered';
    await turn(ledger, { rollout, arm: 'legacy', user: `b${user}`, atMs, outcome });
  }
}

async function report(...words: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await workspace.run(['rollout', 'report', ...words]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

describe('bellwether rollout report', () => {
  it('says first what the rule says, and does not call a canary ready after 15 requests', async () => {
    const spec = rolloutSpec({ name: 'november' });
    await withLedger(async (ledger) => {
      await start(ledger, spec, Date.now() - 60_000);
      await fill(ledger, 'november', 15, 40);
    });
    const lines = (await report()).split('\n');
    expect(lines[0]).toBe('november: legacy → holysheep');
    expect(lines[1]).toBe('  ◌ Progressing at 10%');
    expect(lines[2]).toMatch(/^ {2}E 0\.1 of 6\.9, about \d+ clean requests to go$/);
    expect(lines.join('\n')).toContain('15 of 300 requests of holysheep in this step.');
    expect(lines.join('\n')).not.toContain('Ready to promote');
    // The guide's report itself stays as it is.
    expect(JSON.parse(await report('--json'))).toEqual({
      legacy: { requests: 40, avg_latency_ms: 180 },
      canary: { requests: 15, avg_latency_ms: 180, ready_to_promote: true },
      improvement: { latency_reduction_pct: 0 },
    });
  });

  it('tells failure kinds, satisfaction, and what the same traffic would have cost on the baseline', async () => {
    await withLedger(async (ledger) => {
      await start(ledger, rolloutSpec({ name: 'november' }), Date.now() - 60_000);
      await fill(ledger, 'november', 15, 40);
      for (let user = 0; user < 10; user += 1) {
        const signal = user === 0 ? 'down' : 'up';
        await ledger.recordFeedback({ turnId: `november/holysheep/c${user}`, signal });
      }
    });
    const text = await report();
    expect(text).toContain('Failed requests of legacy: 8 timeout');
    expect(text).not.toContain('Failed requests of holysheep');
    expect(text).toContain('Satisfaction: legacy – of 0, holysheep 90% (59.58–98.21%) of 10 rated turns');
    // 15 calls of 42 tokens at $2.80 for 1M; the baseline's own calls cost less than that, so they had no surcharge.
    expect(text).toContain(
      "Saved: $0.001749. The canary's confirmed calls cost $0.000015; the same tokens would have cost $0.001764 at the price of legacy-primary",
    );
  });

  it('shows a rollout that was rolled back as that', async () => {
    await withLedger(async (ledger) => {
      await start(ledger, rolloutSpec({ name: 'november' }), Date.now() - 60_000);
      await fill(ledger, 'november', 15, 40);
    });
    const { stderr } = await workspace.run(
      ['rollout', 'rollback', 'november', '--actor', 'ann', '--reason', 'enough'],
      withoutTemporal,
    );
    expect(stderr).toBe('');
    const text = await report();
    expect(text).toMatch(/^november: .*\n {2}✖ RolledBack at 0%, ended .* UTC: ann rolled back \("enough"\)\.\n/);
    expect(text).not.toMatch(/Ready to promote|Continue monitoring|Missing|E \d/);
  });

  it('shows a rollout that another one took over as that', async () => {
    await withLedger(async (ledger) => {
      await start(ledger, rolloutSpec({ name: 'november' }), Date.now() - 60_000);
      await fill(ledger, 'november', 15, 40);
      await start(ledger, rolloutSpec({ name: 'december', takeOver: true }), Date.now() - 30_000);
    });
    const text = await report('november');
    expect(text).toMatch(
      /\n {2}⇥ TakenOver: Rollout december has taken over and now routes turns, with 10% on holysheep\./,
    );
    expect(text).not.toMatch(/Ready to promote|Continue monitoring|Missing|E \d/);
    const { stdout } = await workspace.run(['rollout', 'explain', 'november']);
    expect(stdout).toContain('Rollout december has taken over since; this was its last decision.');
    expect(await workspace.json(['rollout', 'explain', 'november'])).toMatchObject({
      phase: 'TakenOver',
      taken_over_by: 'december',
    });
  });

  it('counts users under rule 2, also in status and explain', async () => {
    const spec = rolloutSpec({ name: 'november', rule: 2, languages: ['zh'] });
    await withLedger(async (ledger) => {
      const atMs = Date.now();
      await start(ledger, spec, atMs - 60_000);
      await fill(ledger, 'november', 15, 100);
      for (let user = 0; user < 5; user += 1) {
        const flags = user < 4 ? (['wrong-language'] as const) : [];
        const asked = { rollout: 'november', user: `zh${user}`, atMs, language: 'zh' };
        await turn(ledger, { ...asked, arm: 'holysheep', flags });
        await turn(ledger, { ...asked, arm: 'legacy' });
      }
      await ledger.recordFeedback({ turnId: 'november/holysheep/c1', signal: 'up' });
      await ledger.rollouts.countUsers();
    });
    const text = await report();
    const advance = /E 0\.0 of 6\.9, about \d+ users without a failure to go/;
    expect(text.split('\n').slice(0, 3).join('\n')).toMatch(advance);
    expect(text).toContain('  - 20 of 1000 users of holysheep in this step.');
    expect(text).toMatch(/^users +105 +20$/m);
    expect(text).toMatch(/^first request succeeds +80\.95% \(.*%\) +100% \(83\.89–100%\)$/m);
    expect(text).toMatch(/^flagged wrong-language +0% \(.*\) +20% \(8\.07–41\.6%\)$/m);
    expect(text).toMatch(/^satisfaction +– +100% /m);
    expect(text).toMatch(/^ +holysheep +5 +100% \(.*\) +– +wrong-language 80% \(.*\)$/m);
    expect(text).not.toContain('Ready to promote');

    const status = (await workspace.run(['rollout', 'status'], withoutTemporal)).stdout;
    expect(status).toMatch(advance);
    expect(status).toMatch(/holysheep +20 +100% \(.*\) +0 +4 /);
    const { evidence } = (await workspace.json(['rollout', 'status'], withoutTemporal)) as { evidence: object };
    expect(evidence).toMatchObject({
      clean_users_to_go: expect.any(Number),
      holysheep: { users: 20, turns: 20, success_rate: 1, flags: { 'wrong-language': 0.2 } },
      languages: [{ language: 'und' }, { language: 'zh', holysheep: { users: 5, flags: { 'wrong-language': 0.8 } } }],
    });
  });
});
