import { describeWithChromium } from '../../support/chromium';
import { pageSample, sessionSample } from '../../support/page-data';
import { british, evidenceOf, rolloutOf, showPages, withEvidence, withRollout } from './shown-page';

jest.setTimeout(300_000);

describeWithChromium("the page's other panels", () => {
  const { open, site } = showPages();

  test('the arms stand side by side with the figures of the data', async () => {
    const data = await pageSample('held');
    const { arms } = rolloutOf(data);
    const page = await open(data);
    const row = async (title: string): Promise<readonly string[]> =>
      page.locator('#arms .compare tr').filter({ hasText: title }).locator('td.number').allInnerTexts();
    for (const [index, arm] of [arms.baseline, arms.canary].entries()) {
      expect((await row('Users'))[index]).toBe(british.count(arm.users));
      expect((await row('Turns'))[index]).toBe(british.count(arm.turns));
      const { rate, low, high, of } = arm.success!;
      const success = (await row('Success'))[index];
      for (const text of [
        british.share(rate),
        `${british.share(low)}–${british.share(high)}`,
        `of ${british.count(of)} users`,
      ]) {
        expect(success).toContain(text);
      }
      for (const { outcome, calls } of arm.failures) {
        expect((await row('Failed first calls'))[index]).toContain(`${outcome} ${british.count(calls)}`);
      }
      expect((await row('Latency, p95'))[index]).toBe(`${british.count(arm.latencyP95Ms!)} ms`);
      expect((await row('Cost per success'))[index]).toBe(british.usd(arm.costPerSuccessNanoUsd!));
      expect((await row('Flagged wrong-language'))[index]).toContain(british.share(arm.flags['wrong-language']!.rate));
      expect((await row('Satisfaction'))[index]).toContain(`of ${british.count(arm.satisfaction!.of)} ratings`);
    }
    const hours = page.locator('#arms .hours .chart').first();
    await hours.getByText('As a table').click();
    await hours.locator('tbody').waitFor();
    expect(await hours.locator('tbody tr').count()).toBe(arms.canary.hours.length);
  });

  test('languages of a few users each are drawn, too', async () => {
    const data = await pageSample('held');
    const { arms } = rolloutOf(data);
    const few = arms.languages.filter(({ canary }) => canary.users < 30);
    expect(few).not.toEqual([]);
    const page = await open(withRollout(data, { arms: { ...arms, languages: few } }));
    expect(await page.locator('#arms .by-language svg.intervals').count()).toBe(few.length);
  });

  test('arms whose users are not counted do not claim to have none', async () => {
    const data = await pageSample('held');
    const { arms } = rolloutOf(data);
    const none = { users: 0, success: null, troubled: null, declined: null, satisfaction: null, flags: {} };
    const uncounted = {
      baseline: { ...arms.baseline, ...none, costPerSuccessNanoUsd: null },
      canary: { ...arms.canary, ...none, costPerSuccessNanoUsd: null },
      languages: [],
      flags: [],
    };
    const page = await open(withRollout(data, { arms: uncounted }));
    const titles = await page.locator('#arms .compare tbody th').allInnerTexts();
    expect(titles).toEqual(['Turns', 'Failed first calls', 'Latency, p95', 'Tokens per answer']);
    expect(await page.locator('#arms .empty').innerText()).toContain('once users are counted');
  });

  test('the figure that is compared by language can be chosen', async () => {
    const data = await pageSample('held');
    const { arms } = rolloutOf(data);
    const page = await open(data);
    const table = page.locator('#arms .by-language');
    expect(await table.locator('tbody tr').count()).toBe(arms.languages.length);
    await page.getByLabel('Figure by language').selectOption('Flagged wrong-language');
    const zh = arms.languages.find(({ language }) => language === 'zh')!;
    const cells = table.locator('tr').filter({ hasText: 'Chinese (zh)' }).locator('td.number');
    expect(await cells.allInnerTexts()).toEqual(
      [zh.baseline, zh.canary].map(
        ({ users, flags }) => `${british.share(flags['wrong-language']!.rate)} of ${british.count(users)}`,
      ),
    );
  });

  test('sums that do not yet have all turns say so, and up to when they have them', async () => {
    const data = await pageSample('held');
    const page = await open({ ...data, money: { ...data.money, uncountedFromMs: Date.UTC(2026, 0, 3, 7, 30) } });
    expect(await page.locator('#money .uncounted').innerText()).toMatch(/Older turns are counted up to .*2026/);
    expect(await page.locator('#money .uncounted time').getAttribute('datetime')).toBe('2026-01-03T07:30:00.000Z');
    site().show(data);
    await page.locator('#money .uncounted').waitFor({ state: 'detached' });
  });

  test('money is told by the day, arm, model and key, with what the rollout saves', async () => {
    const data = await pageSample('progressing');
    const { money } = data;
    const page = await open(data);
    const panel = page.locator('#money');
    const today = await panel.innerText();
    expect(today).toContain(`${british.usd(money.todayNanoUsd)} of ${british.usd(money.dayCapNanoUsd)} today`);
    expect(today).toContain(`${british.usd(money.reservedNanoUsd)} is reserved`);
    expect(today).toContain(british.usd(money.saved!.withoutNanoUsd));
    expect(today).toContain(british.usd(money.saved!.withoutNanoUsd - money.saved!.withNanoUsd));
    for (const { name, turns, costNanoUsd } of [...money.byArm, ...money.byModel, ...money.byKey]) {
      const row = panel.getByRole('row').filter({ has: page.getByText(name, { exact: true }) });
      const cells = (await row.locator('td').allInnerTexts()).join(' ');
      expect(cells).toContain(british.count(turns));
      expect(cells).toContain(british.usd(costNanoUsd));
    }
    site().show({ ...data, money: { ...money, todayNanoUsd: money.dayCapNanoUsd, saved: null } });
    await panel.getByText('Cap reached').waitFor();
    expect(await panel.innerText()).not.toContain('Saved');
    const spent = money.dayCapNanoUsd / 10;
    site().show({ ...data, money: { ...money, todayNanoUsd: spent, reservedNanoUsd: money.dayCapNanoUsd - spent } });
    await panel.getByText('The rest is reserved').waitFor();
    expect(await panel.innerText()).toContain('10% of the cap is spent');
    expect(await panel.innerText()).not.toContain('Cap reached');
  });

  test('a migration that costs more does not claim to save', async () => {
    const sample = await pageSample('progressing');
    const saved = { withoutNanoUsd: 10e9, withNanoUsd: 12.5e9 };
    const page = await open({ ...sample, money: { ...sample.money, saved } });
    expect(await page.locator('#money .saved').innerText()).toMatch(/Costs more\s+\$2\.50 \(25%\)/);
  });

  test('the providers that do not answer come first', async () => {
    const data = await pageSample('held');
    const page = await open(data);
    const rows = await page.locator('#providers tbody tr').allInnerTexts();
    const broken = data.targets.find(({ circuit }) => circuit === 'open')!;
    expect(rows).toHaveLength(data.targets.length);
    expect(rows[0]).toContain(broken.name);
    expect(rows[0]).toMatch(/Open\s+no calls for now/);
    for (const { outcome, calls } of broken.errors) expect(rows[0]).toContain(`${outcome} ${calls}`);
    expect(rows[1]).toContain('Half-open');
    expect(rows[2]).toContain('Closed');
  });

  test('does not say that nobody calls a provider that has calls', async () => {
    const data = await pageSample('held');
    const unknown = { ...data.targets[0]!, circuit: null };
    const targets = [
      { ...unknown, name: 'called', calls: 7 },
      { ...unknown, name: 'idle', calls: 0, errors: [] },
    ];
    const page = await open({ ...data, targets });
    const rows = page.locator('#providers tbody tr');
    expect(await rows.filter({ hasText: 'called' }).first().innerText()).toMatch(
      /Not known\s+no running worker reports it/,
    );
    expect(await rows.filter({ hasText: 'idle' }).innerText()).toMatch(/Not known\s+no worker has called it lately/);
  });

  test('the list of rollouts marks the one that is shown, and leads to the others', async () => {
    const sample = await pageSample('progressing');
    const [current, earlier] = sample.rollouts;
    const older = Array.from({ length: 98 }, (_, index) => ({ ...earlier!, name: `older-${index}` }));
    const page = await open({ ...sample, rollouts: [current!, earlier!, ...older] });
    const panel = page.locator('#rollouts');
    expect(await panel.locator('[aria-current=page]').innerText()).toBe(current!.name);
    expect(await panel.locator('li.current').innerText()).toContain('shown on this page');
    expect(await panel.getByText('older-97').isVisible()).toBe(false);
    await panel.getByText('95 older').click();
    const asked = page.waitForRequest('**/page/events?rollout=older-97');
    await panel.getByRole('link', { name: 'older-97' }).click();
    await asked;
    expect(new URL(page.url()).search).toBe('?rollout=older-97');
  });

  test('a session is found by its id, and its turns are facts', async () => {
    const page = await open(await pageSample('progressing'));
    await page.getByLabel('Session id').fill(`  ${sessionSample.id} `);
    await page.keyboard.press('Enter');
    const panel = page.locator('#session');
    await panel.waitFor();
    const rows = panel.locator('tbody tr');
    expect(await rows.count()).toBe(sessionSample.turns.length);
    for (const [index, turn] of sessionSample.turns.entries()) {
      const shown = await rows.nth(index).innerText();
      const facts = [
        turn.turn,
        turn.arm,
        turn.outcome,
        ...turn.flags,
        british.count(turn.promptTokens),
        british.usd(turn.costNanoUsd),
      ];
      for (const fact of facts) expect(shown).toContain(fact);
      const link = rows.nth(index).getByRole('link');
      expect(await link.count()).toBe(turn.workflowUrl === null ? 0 : 1);
      if (turn.workflowUrl !== null) expect(await link.getAttribute('href')).toBe(turn.workflowUrl);
    }
  });

  test('a session without turns says so', async () => {
    const page = await open(await pageSample('progressing'));
    site().session = { id: 'nobody', turns: [], costNanoUsd: 0 };
    await page.getByLabel('Session id').fill('nobody');
    await page.getByRole('button', { name: 'Show its turns' }).click();
    await page.locator('#session').getByText('No turn of this session is known').waitFor();
  });

  test('what is not there yet says what will be, and how it comes about', async () => {
    const sample = await pageSample('no rollout');
    const page = await open({ ...sample, targets: [] });
    for (const [panel, text] of [
      ['#money', 'with the first call of the day'],
      ['#providers', 'once a worker runs'],
      ['#rollouts', 'bellwether rollout start'],
    ] as const) {
      expect(await page.locator(panel).innerText()).toContain(text);
    }
  });

  test('an update leaves open what is open, chosen what is chosen, and focused what is focused', async () => {
    const data = await pageSample('held');
    const page = await open(data);
    const quiet = page.locator('#evidence .measure > details:not([open])').first();
    const label = await quiet.locator('.measure-name b').innerText();
    await quiet.locator('summary').click();
    const advance = page.locator('#evidence .measure').first();
    await advance.locator('summary').first().click();
    await page.getByLabel('Figure by language').selectOption('Satisfaction');
    const lastRow = await page.locator('#audit .audit-rows li').last().elementHandle();
    const plot = page.locator('#arms').getByRole('slider').first();
    await plot.focus();
    await page.keyboard.press('Home');
    const shownText = await plot.getAttribute('aria-valuetext');

    const { measures } = evidenceOf(data);
    site().show(
      withEvidence(data, { toGo: 77, measures: measures.map((one) => ({ ...one, value: (one.value ?? 0) + 0.5 })) }),
    );
    await page.getByText('About 77 more users without a failure are needed.').waitFor();

    const reopened = page.locator('#evidence .measure').filter({ has: page.getByText(label, { exact: true }) });
    expect(await reopened.locator('details').first().getAttribute('open')).not.toBeNull();
    expect(await advance.locator('details').first().getAttribute('open')).toBeNull();
    expect(await page.getByLabel('Figure by language').inputValue()).toBe('satisfaction');
    expect(await plot.evaluate((element: { matches(selector: string): boolean }) => element.matches(':focus'))).toBe(
      true,
    );
    expect(await plot.getAttribute('aria-valuetext')).toBe(shownText);
    expect(await lastRow?.evaluate(({ isConnected }: { isConnected: boolean }) => isConnected)).toBe(true);
  });
});
