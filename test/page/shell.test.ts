import type { Browser, Page } from 'playwright-core';
import type { PageData, RolloutPage } from '../../src/contract/page';
import { describeWithChromium, startChromium } from '../support/chromium';
import { pageSample, pageStates, sessionSample, viewerSample } from '../support/page-data';
import { accessibilityProblems, openPage, overflow, type WatchedPage } from './browser-page';
import { PageSite } from './page-site';

jest.setTimeout(300_000);

const wide = { width: 1200, height: 900 };
const narrow = { width: 390, height: 844 };

describeWithChromium('the page', () => {
  let browser: Browser;
  let site: PageSite;
  let opened: WatchedPage;

  const open = async (data: PageData, options: Parameters<typeof openPage>[1] = {}, query = ''): Promise<Page> => {
    site = await PageSite.start(data);
    opened = await openPage(browser, options);
    await opened.page.goto(site.url + query);
    await opened.page.locator('main > .card, main .columns').first().waitFor();
    return opened.page;
  };

  beforeAll(async () => {
    browser = await startChromium();
  });
  afterEach(async () => {
    await opened.page.context().close();
    await site.stop();
    expect(opened.problems).toEqual([]);
  });
  afterAll(() => browser?.close());

  // Colours do not depend on the width, nor the layout on the colours.
  test.each(pageStates)('is accessible and fits in the state "%s": light and wide, dark and narrow', async (state) => {
    const page = await open(await pageSample(state), { viewport: wide });
    // What is folded is checked, too.
    for (const summary of await page.locator('#now summary, #ladder summary').all()) await summary.click();
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(await overflow(page)).toBe(0);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize(narrow);
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(await overflow(page)).toBe(0);
  });

  test('says how it stands, what comes next, and what is set and real', async () => {
    const data = await pageSample('progressing');
    const { now, to } = rolloutOf(data);
    const page = await open(data);
    const shown = await page.locator('#now').innerText();
    expect(shown).toContain('Progressing');
    expect(shown).toContain(`${now.setPercent}%`);
    expect(shown).toContain(`of users on ${to}`);
    expect(shown).toContain(now.message);
    expect(shown).toContain(now.next);
    expect(shown).toMatch(/actual 25\.71% of recent turns/);
    expect(shown).toMatch(/Workflow\s+✔\s*running/);
    expect(await page.title()).toBe('◌ Progressing 25% · to-holysheep – Bellwether');
  });

  test('counts down by the clock of the server, however the one of the viewer is set', async () => {
    const data = await pageSample('progressing');
    const nextAnalysisAtMs = data.atMs + 10 * 60_000;
    const rollout = { ...rolloutOf(data), now: { ...rolloutOf(data).now, nextAnalysisAtMs, dataAgeMs: 5 * 60_000 } };
    site = await PageSite.start({ ...data, rollout });
    opened = await openPage(browser);
    const { page } = opened;
    await page.clock.install({ time: '2001-01-01T00:00:00Z' });
    await page.goto(site.url);
    await page.locator('#now').waitFor();
    expect(await page.locator('.facts').innerText()).toMatch(/in 9 min 5\d s[\s\S]*\n5 min( \d s)? ago/);
    // Real time goes on meanwhile, so that only whole minutes are certain.
    await page.clock.fastForward(2 * 60_000);
    site.send('tick', { atMs: data.atMs + 2 * 60_000 });
    await page.locator('.facts', { hasText: 'in 7 min 5' }).waitFor();
    expect(await page.locator('.facts').innerText()).toMatch(/\n7 min( \d+ s)? ago/);
  });

  test('shows warnings before everything else, and commands in them as what is typed', async () => {
    const data = await pageSample('overdue');
    const page = await open(data);
    const first = page.locator('#main > *').nth(1);
    expect(await first.innerText()).toContain('No analysis has been recorded since');
    expect(await first.locator('code').first().innerText()).toBe('bellwether doctor');
    expect(await page.locator('.facts').innerText()).toMatch(/overdue by 5 h 15 min/);
  });

  test('tells the whole ladder in a table, too', async () => {
    const data = await pageSample('held');
    const page = await open(data);
    await page.locator('#ladder summary').click();
    const rows = await page.locator('#ladder tbody tr').allInnerTexts();
    const { planned, reached } = rolloutOf(data).ladder;
    expect(rows).toHaveLength(planned.length);
    reached.forEach(({ because }, index) => expect(rows[index]).toContain(because));
    expect(rows.slice(reached.length).every((row) => row.includes('not yet'))).toBe(true);
    const drawing = await page.locator('svg.ladder').getAttribute('aria-label');
    expect(drawing).toContain('Steps planned: 10%, 25%, 50%, 75%, 100%. Now: 25%');
  });

  test('tells every phase by a word and an icon, in the tab, too', async () => {
    const titles: string[] = [];
    for (const state of ['held', 'paused', 'rolled back', 'promoting', 'succeeded', 'taken over'] as const) {
      const page = await open(await pageSample(state));
      titles.push((await page.title()).split(' · ')[0] ?? '');
      await page.context().close();
      await site.stop();
    }
    await open(await pageSample('no rollout'));
    expect(titles).toEqual([
      '▲ Held 25%',
      '‖ Paused 10%',
      '✖ Rolled back 0%',
      '◉ Promoting 100%',
      '✔ Succeeded 100%',
      '⇥ Taken over 10%',
    ]);
  });

  test('opens another rollout and a session by links, without loading again, and goes back', async () => {
    const data = await pageSample('progressing');
    const page = await open(data);
    site.session = sessionSample;
    await page.locator('#rollouts a', { hasText: 'first-try' }).click();
    await page.waitForURL('**/page?rollout=to-holysheep-first-try');
    await page.locator('#now').waitFor();
    expect(site.requests.at(-1)).toBe('GET /page/events?rollout=to-holysheep-first-try');
    expect(site.listeners).toBe(1);
    await page.locator('#session-search input').fill(sessionSample.id);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: sessionSample.id }).waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.goBack();
    await page.goBack();
    await page.locator('#now').waitFor();
    expect(new URL(page.url()).search).toBe('');
    expect(site.requests.filter((request) => request === 'GET /page')).toHaveLength(1);
  });

  test('says so when a session is not known', async () => {
    const page = await open(await pageSample('progressing'), {}, '?session=nobody').catch(() => opened.page);
    await page.getByText('There is no such session.').waitFor();
  });

  test('tells a viewer that his key may only look', async () => {
    const data = await pageSample('progressing');
    const page = await open({ ...data, viewer: viewerSample });
    expect(await page.locator('.act').innerText()).toContain('The key “wallboard” may only look.');
    expect(await page.locator('#now button').count()).toBe(0);
  });

  test('leads the keyboard past the header', async () => {
    const page = await open(await pageSample('progressing'));
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    expect(await page.locator(':focus').innerText()).toBe('Promote…');
  });
});

function rolloutOf({ rollout }: PageData): RolloutPage {
  if (rollout === null) throw new Error('The sample has no rollout.');
  return rollout;
}
