import type { Browser, Page } from 'playwright-core';
import { describeWithChromium, startChromium } from '../support/chromium';
import { pageSample } from '../support/page-data';
import { accessibilityProblems, openPage, overflow, type WatchedPage } from './browser-page';
import { PageSite } from './page-site';

jest.setTimeout(300_000);

describeWithChromium('the login of the page', () => {
  let browser: Browser;
  let site: PageSite;
  let opened: WatchedPage;
  let page: Page;

  beforeAll(async () => {
    browser = await startChromium();
  });
  beforeEach(async () => {
    site = await PageSite.start(await pageSample('progressing'));
    site.behaviour.isLoggedIn = false;
    opened = await openPage(browser);
    page = opened.page;
  });
  afterEach(async () => {
    await page.context().close();
    await site.stop();
    expect(opened.problems).toEqual([]);
  });
  afterAll(() => browser?.close());

  const key = () => page.getByLabel('API key');

  test('asks for the key, says what is wrong with it, and shows what was asked for', async () => {
    await page.goto(`${site.url}?rollout=to-holysheep`);
    await key().fill('wrong-key');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').filter({ hasText: 'This key is not known.' }).waitFor();
    expect(await key().getAttribute('type')).toBe('password');
    await key().fill(' right-key ');
    await page.keyboard.press('Enter');
    await page.locator('#now').waitFor();
    expect(site.logins).toEqual(['{"key":"wrong-key"}', '{"key":"right-key"}']);
    expect(new URL(page.url()).search).toBe('?rollout=to-holysheep');
  });

  test('takes the code of a link, and keeps it out of the address, the history and the requests', async () => {
    await page.goto(`${site.url}/login#right-code`);
    await page.locator('#now').waitFor();
    expect(site.logins).toEqual(['{"code":"right-code"}']);
    expect(new URL(page.url()).pathname + new URL(page.url()).hash).toBe('/page');
    await page.goBack();
    expect(page.url()).not.toContain('right-code');
    expect(site.requests.join()).not.toContain('right-code');
  });

  test('takes a second link in the same tab', async () => {
    await page.goto(`${site.url}/login#used-code`);
    await page.getByRole('alert').filter({ hasText: 'not known' }).waitFor();
    expect(new URL(page.url()).hash).toBe('');
    await page.goto(`${site.url}/login#right-code`);
    await page.locator('#now').waitFor();
  });

  test('comes back after logging out', async () => {
    site.behaviour.isLoggedIn = true;
    await page.goto(site.url);
    await page.getByRole('button', { name: 'Log out' }).click();
    await key().waitFor();
    expect(site.requests).toContain('POST /page/logout');
    expect(await page.title()).toBe('Log in – Bellwether');
  });

  test('is accessible and fits, light and wide, dark and narrow', async () => {
    await page.goto(site.url);
    await key().waitFor();
    expect(await accessibilityProblems(page)).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await accessibilityProblems(page)).toEqual([]);
    expect(await overflow(page)).toBe(0);
  });
});
