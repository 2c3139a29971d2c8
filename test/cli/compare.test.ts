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
});
