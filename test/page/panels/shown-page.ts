import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import type { EvidencePage, PageData, RolloutPage, SessionPage } from '../../../src/contract/page';
import { startChromium } from '../../support/chromium';
import { sessionSample } from '../../support/page-data';
import { openPage, type WatchedPage } from '../browser-page';
import { PageSite } from '../page-site';

interface Visit extends BrowserContextOptions {
  readonly query?: string;
  /** The only session that the site knows. */
  readonly session?: SessionPage;
}

/** The built page in a browser, one after the other. */
export interface ShownPage {
  /** Opens the page, which shows this data. */
  readonly open: (data: PageData, visit?: Visit) => Promise<Page>;
  /** Of the page that was opened last. */
  readonly site: () => PageSite;
}

/** To be called in a `describe`. Each test fails if the page logs an error, or its policy refuses something. */
export function showPages(): ShownPage {
  let browser: Browser | undefined;
  let site: PageSite;
  let opened: WatchedPage;
  beforeAll(async () => {
    browser = await startChromium();
  });
  afterEach(async () => {
    await opened.page.context().close();
    await site.stop();
    expect(opened.problems).toEqual([]);
  });
  afterAll(() => browser?.close());
  return {
    site: () => site,
    open: async (data, { query = '', session = sessionSample, ...options } = {}) => {
      if (browser === undefined) throw new Error('The browser is started before the first test.');
      site = await PageSite.start(data);
      site.session = session;
      opened = await openPage(browser, options);
      await opened.page.goto(site.url + query);
      await opened.page.locator('#rollouts, #session').first().waitFor();
      return opened.page;
    },
  };
}

export function rolloutOf({ rollout }: PageData): RolloutPage {
  if (rollout === null) throw new Error('The sample has no rollout.');
  return rollout;
}

export function evidenceOf(data: PageData): EvidencePage {
  const { evidence } = rolloutOf(data);
  if (evidence === null) throw new Error('The sample has no evidence.');
  return evidence;
}

export function withRollout(data: PageData, changes: Partial<RolloutPage>): PageData {
  return { ...data, rollout: { ...rolloutOf(data), ...changes } };
}

export function withEvidence(data: PageData, changes: Partial<EvidencePage>): PageData {
  return withRollout(data, { evidence: { ...evidenceOf(data), ...changes } });
}

/** What the page must show, by the browser's place in `openPage`. */
export const british = {
  count: (value: number): string => value.toLocaleString('en-GB'),
  evidence: (value: number): string =>
    value.toLocaleString('en-GB', { minimumFractionDigits: 1, maximumFractionDigits: 1 }),
  share: (share: number): string => share.toLocaleString('en-GB', { style: 'percent', maximumFractionDigits: 2 }),
  usd: (nanoUsd: number): string => {
    const digits = nanoUsd !== 0 && Math.abs(nanoUsd) < 1e9 ? 6 : 2;
    const shown = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    return `$${(nanoUsd / 1e9).toLocaleString('en-GB', shown)}`;
  },
};
