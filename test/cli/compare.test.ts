import { join } from 'node:path';
import type { Ledger, Reservation } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { CliWorkspace } from './run-cli';

const workspace = new CliWorkspace();
afterAll(() => workspace.remove());

describe('bellwether compare', () => {
  it('shows the bills for 500M tokens of CJK text', async () => {
    const comparison = await workspace.json(['compare']);
    expect(comparison).toMatchObject({
      tokens: 500_000_000,
      cjk_share: 1,
      bills: [
        { model: 'legacy-chat', effective_usd_per_million: 8.4, monthly_usd: 4200 },
        { model: 'deepseek-v3.2', effective_usd_per_million: 0.42, monthly_usd: 210, saving_percent: 95 },
        { model: 'gemini-2.5-flash', monthly_usd: 1250 },
        { model: 'gpt-4.1', effective_usd_per_million: 16, monthly_usd: 8000 },
        { model: 'claude-sonnet-4.5', effective_usd_per_million: 22.5, monthly_usd: 11_250 },
      ],
    });
  });

  it('accepts a volume and a CJK share', async () => {
    const comparison = await workspace.json(['compare', '--tokens', '1.5B', '--cjk-share', '0%']);
    expect(comparison).toMatchObject({
      bills: [{ monthly_usd: 4200, saving_percent: 0 }, { monthly_usd: 630, saving_percent: 85 }, {}, {}, {}],
    });
  });

  it('says where the guide’s figures do not add up, in plain text when piped', async () => {
    const { status, stdout } = await workspace.spawn(['compare']);
    expect(status).toBe(0);
    expect(stdout).toContain(
      '✗ does not add up HolySheep bill $680 a month at $0.42/1M: 500M tokens at $0.42/1M cost $210',
    );
    expect(stdout).toMatch(/^Legacy provider +legacy-chat +\$2.80 +3x +\$8.40 +\$4,200.00 +420 ms +15%$/m);
    // oxlint-disable-next-line no-control-regex -- that there is none is the point
    expect(stdout).not.toMatch(/\u001b/);
  });

  it.each([
    ['--tokens', 'many'],
    ['--tokens', '0'],
    ['--tokens', '101B'],
    ['--cjk-share', '101'],
    ['--cjk-share', 'half'],
  ])('refuses %s %s', async (option, value) => {
    const { status, stderr } = await workspace.run(['compare', option, value]);
    expect(status).toBe(2);
    expect(stderr).toContain(`option '${option} `);
  });

  it('compares the bills of the ledger’s own calls, with the share of CJK text that surcharges tell', async () => {
    const own = new CliWorkspace();
    try {
      expect((await own.run(['compare', '--ledger'])).stderr).toContain('There is no ledger in');
      const ledger = await openLedger({ dataDirectory: join(own.directory, '.bellwether') });
      // 1,000,000 tokens at $2.80, half of the text at three times the price.
      await settle(
        ledger,
        { arm: 'legacy', target: 'legacy-primary', provider: 'legacy', model: 'legacy-chat' },
        5_600_000_000,
      );
      await ledger.close();
      const found = await own.json(['compare', '--ledger']);
      expect(found).toMatchObject({
        days: 1,
        prompt_tokens: 600_000,
        completion_tokens: 400_000,
        paid_usd: 5.6,
        paid_monthly_usd: 168,
        measured_cjk_share: 0.5,
        bills: [
          { model: 'deepseek-v3.2', period_usd: 0.42, monthly_usd: 12.6 },
          { model: 'gemini-2.5-flash', period_usd: 2.5 },
          { provider: 'legacy', model: 'legacy-chat', period_usd: 5.6, monthly_usd: 168 },
        ],
      });
      const { stdout } = await own.run(['compare', '--ledger']);
      expect(stdout).toContain('50% of the text CJK, told by the surcharges that were paid.');
      expect(stdout).toMatch(/^holysheep +deepseek-v3.2 +\$0.42 \/ \$0.42 +1x +\$0.42 +\$12.60 +-92.5%$/m);
      const past = await own.run(['compare', '--ledger', '--to', '2020-01']);
      expect(past.stdout).toContain('nothing to compare');
    } finally {
      await own.remove();
    }
  });

  it.each([
    [['--ledger', '--tokens', '5M'], 'either --ledger or --tokens'],
    [['--from', '2026-11'], '--from and --to need --ledger'],
  ])('refuses %j', async (options, message) => {
    const { status, stderr } = await workspace.run(['compare', ...options]);
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

async function settle(ledger: Ledger, of: Omit<Reservation, 'worstCaseNanoUsd'>, costNanoUsd: number): Promise<void> {
  const caps = { sessionNanoUsd: 1e12, dayNanoUsd: 1e12 };
  const reservation = { ...of, worstCaseNanoUsd: costNanoUsd };
  await ledger.admit({
    turnId: 'turn',
    sessionId: null,
    userId: null,
    plan: () => ({ reservation, countedIn: null }),
    requestId: 'turn',
    owner: 'test',
    caps,
  });
  await ledger.settleAttempt('turn', {
    attempt: 1,
    state: 'settled',
    costNanoUsd,
    usage: { promptTokens: 600_000, cachedPromptTokens: 0, completionTokens: 400_000 },
    outcome: 'answered',
    httpStatus: 200,
    latencyMs: 100,
    endedAtMs: Date.now(),
  });
}
