import type { Browser, CDPSession } from 'playwright-core';
import type { PageData } from '../../src/contract/page';
import { describeWithChromium, startChromium } from '../support/chromium';
import { pageSample } from '../support/page-data';
import { openPage } from './browser-page';
import { PageSite } from './page-site';

jest.setTimeout(600_000);

/** One a second, as the server sends at most. */
const eventsPerHour = 3600;
/** The browser's code and caches grow for a while after the start. */
const warmUpEvents = 600;
/** More than the page draws at once would only make the test wait. */
const eventsAtOnce = 20;

describeWithChromium('a page that stays open', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startChromium();
  });
  afterAll(() => browser?.close());

  test('for an hour of changes shows the newest one, and keeps nothing of the others', async () => {
    const states = await Promise.all((['progressing', 'held', 'paused', 'promoting'] as const).map(pageSample));
    const [first] = states as [PageData];
    const site = await PageSite.start(first);
    const { page, problems } = await openPage(browser);
    await page.goto(site.url);
    await page.locator('#now').waitFor();
    const debug = await page.context().newCDPSession(page);
    let sent = 0;
    const send = async (events: number): Promise<void> => {
      for (const end = sent + events; sent < end;) {
        for (let index = 0; index < eventsAtOnce; index += 1) {
          sent += 1;
          const state = states[sent % states.length] as PageData;
          site.show({ ...state, atMs: first.atMs + sent * 1000, viewer: { name: `event-${sent}`, mayOperate: true } });
        }
        await page.locator('.top-end', { hasText: `event-${sent}` }).waitFor();
      }
    };

    await send(warmUpEvents);
    const before = await usedHeapBytes(debug);
    await send(eventsPerHour);
    const after = await usedHeapBytes(debug);
    const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(2)} MB`;
    process.stderr.write(`Heap of the page: ${megabytes(before)}, an hour of events later ${megabytes(after)}\n`);
    expect(after).toBeLessThan(before * 1.2);
    expect(await page.locator('#now').innerText()).toContain(states[sent % states.length]?.rollout?.now.message);
    expect(site.listeners).toBe(1);
    expect(problems).toEqual([]);
    await page.context().close();
    await site.stop();
  });
});

async function usedHeapBytes(debug: CDPSession): Promise<number> {
  await debug.send('HeapProfiler.enable');
  // The second collection frees what finalizers of the first one let go.
  for (let round = 0; round < 3; round += 1) await debug.send('HeapProfiler.collectGarbage');
  return (await debug.send('Runtime.getHeapUsage')).usedSize;
}
