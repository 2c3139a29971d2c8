import type { Browser, Page } from 'playwright-core';
import type { PageData } from '../../src/contract/page';
import { describeWithChromium, startChromium } from '../support/chromium';
import { eventually } from '../support/eventually';
import { pageSample } from '../support/page-data';
import { evaluate, openPage, type WatchedPage } from './browser-page';
import { PageSite } from './page-site';

jest.setTimeout(300_000);

/** Chromium calls no tab of ours hidden, so the page is told so. */
const setHidden = (isHidden: boolean): string => `
  Object.defineProperty(document, 'visibilityState', { value: '${isHidden ? 'hidden' : 'visible'}', configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));`;

/** Counts before the page's own listeners hear of a tick. */
const countTicks = `
  globalThis.ticks = 0;
  globalThis.EventSource = class extends EventSource {
    constructor(...options) {
      super(...options);
      this.addEventListener('tick', () => (globalThis.ticks += 1));
    }
  };`;

describeWithChromium('the connection of the page', () => {
  let browser: Browser;
  let data: PageData;
  let site: PageSite;
  let opened: WatchedPage;
  let page: Page;

  beforeAll(async () => {
    browser = await startChromium();
    data = await pageSample('progressing');
  });
  beforeEach(async () => {
    site = await PageSite.start(data);
    opened = await openPage(browser);
    page = opened.page;
    await page.clock.install();
  });
  afterEach(async () => {
    await page.context().close();
    await site.stop();
    expect(opened.problems).toEqual([]);
  });
  afterAll(() => browser?.close());

  const open = async (): Promise<void> => {
    await page.addInitScript(countTicks);
    await page.goto(site.url);
    await page.locator('#now').waitFor();
  };
  const connection = () => page.locator('.connection');
  /** Returns once the page has got it: its clock must not go on before. */
  const tick = async (atMs: number): Promise<void> => {
    const before = await evaluate(page, 'globalThis.ticks');
    site.send('tick', { atMs });
    await eventually('the page gets the tick', async () => (await evaluate(page, 'globalThis.ticks')) !== before);
  };
  /** In steps, so that what a timer starts can answer before the next one fires. */
  const passes = async (seconds: number): Promise<void> => {
    for (let second = 0; second < seconds; second += 1) await page.clock.runFor(1000);
  };

  const passUntil = (isTrue: () => Promise<boolean>): Promise<void> =>
    eventually('what the page shows in time', async () => {
      await page.clock.runFor(1000);
      return isTrue();
    });

  test('shows what is new at once', async () => {
    await open();
    expect(await connection().innerText()).toMatch(/Live/);
    site.show(await pageSample('held'));
    await page.locator('#now', { hasText: 'Held' }).waitFor();
    expect(await page.title()).toMatch(/^▲ Held/);
  });

  test('stays live while nothing changes, as long as the server says so', async () => {
    await open();
    for (let seconds = 10; seconds <= 60; seconds += 10) {
      await page.clock.fastForward(10_000);
      await tick(data.atMs + seconds * 1000);
      await page.locator('.connection', { hasText: 'Live' }).waitFor();
      expect(await page.locator('#now button', { hasText: 'Promote' }).isEnabled()).toBe(true);
    }
    expect(site.requests.filter((request) => request.includes('/data'))).toEqual([]);
  });

  test('says how old the data is when the server is away, and is live again when it is back', async () => {
    await open();
    site.behaviour.events = 'refuse';
    site.behaviour.data = 'refuse';
    site.breakStreams();
    await passUntil(async () =>
      /Not up to date\s+last update .* ago\. The ledger cannot be read\./.test(await connection().innerText()),
    );
    site.behaviour.events = 'work';
    site.behaviour.data = 'work';
    await passUntil(async () => /Live/.test(await connection().innerText()));
    // The server may hear a little later that an earlier connection has ended.
    await passUntil(async () => site.listeners === 1);
  });

  test('passes on why the server cannot read the ledger', async () => {
    await open();
    site.send('problem', { code: 'ledger_unavailable', message: 'The ledger does not answer.' });
    await page.locator('.connection', { hasText: 'The ledger does not answer.' }).waitFor();
    site.send('tick', { atMs: data.atMs + 1000 });
    await page.locator('.connection', { hasText: 'Live' }).waitFor();
  });

  test.each(['refuse', 'silent'] as const)('reads in the ordinary way where events %s', async (events) => {
    site.behaviour.events = events;
    await page.goto(site.url);
    await passUntil(async () => (await page.locator('#now').count()) === 1);
    site.show(await pageSample('held'));
    await passUntil(async () => (await page.locator('#now').innerText()).includes('Held'));
    expect(site.listeners).toBeLessThanOrEqual(1);
  });

  test('is given up when nobody has looked for a minute, and taken up again when somebody does', async () => {
    await open();
    await evaluate(page, setHidden(true));
    for (let seconds = 10; seconds <= 50; seconds += 10) {
      await page.clock.runFor(10_000);
      await tick(data.atMs + seconds * 1000);
      expect(site.listeners).toBe(1);
    }
    await page.clock.runFor(11_000);
    await eventually('nobody listens', () => site.listeners === 0);
    const requests = site.requests.length;
    await passes(60);
    expect(site.requests).toHaveLength(requests);
    site.show(await pageSample('held'));
    await evaluate(page, setHidden(false));
    await page.locator('#now', { hasText: 'Held' }).waitFor();
    expect(site.listeners).toBe(1);
  });

  test('leads to the login as soon as the key is revoked', async () => {
    await open();
    site.behaviour.isLoggedIn = false;
    site.breakStreams();
    await passUntil(async () => (await page.getByLabel('API key').count()) === 1);
    await passes(30);
    expect(site.listeners).toBe(0);
    await page.getByLabel('API key').fill('right-key');
    await page.keyboard.press('Enter');
    await page.locator('#now').waitFor();
  });

  test('has one connection and one timer, whatever has happened', async () => {
    await page.addInitScript(() => {
      const timers = new Set<unknown>();
      Object.assign(globalThis, { timers });
      const { setInterval, clearInterval } = globalThis;
      Object.assign(globalThis, {
        setInterval: (...given: Parameters<typeof setInterval>) => {
          const timer = setInterval(...given);
          timers.add(timer);
          return timer;
        },
        clearInterval: (timer: Parameters<typeof clearInterval>[0]) => {
          timers.delete(timer);
          clearInterval(timer);
        },
      });
    });
    await open();
    for (let round = 0; round < 5; round += 1) {
      site.breakStreams();
      await passUntil(async () => site.listeners === 1);
      await evaluate(
        page,
        `history.pushState(null, '', '?rollout=r-${round}'); dispatchEvent(new PopStateEvent('popstate'))`,
      );
      await page.locator('#now').waitFor();
      await eventually('one page listens', () => site.listeners === 1);
    }
    // The timer of what is shown last begins after its first picture, for which the page's clock must go on.
    await passUntil(async () => (await evaluate(page, 'timers.size')) === 1);
  });
});
