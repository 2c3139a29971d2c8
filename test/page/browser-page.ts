import axe, { type AxeResults } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

/** A page in a browser that keeps what went wrong in it. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors, violations of the Content-Security-Policy, and requests to other origins. */
  readonly problems: string[];
}

/** Times and numbers are compared as text, so the viewer's place is fixed. */
const viewer: BrowserContextOptions = { locale: 'en-GB', timezoneId: 'Europe/Berlin', reducedMotion: 'reduce' };

export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ ...viewer, ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // The browser also logs every refused request, which a test may want.
    const isRefused = message.text().startsWith('Failed to load resource');
    if (message.type() === 'error' && !isRefused) problems.push(message.text());
  });
  page.on('request', (request) => {
    const isOurs = new URL(request.url()).hostname === '127.0.0.1' || request.url().startsWith('data:');
    if (!isOurs) problems.push(`request to ${request.url()}`);
  });
  return { page, problems };
}

/** What axe-core finds, in one line each. */
export async function accessibilityProblems(page: Page): Promise<readonly string[]> {
  await evaluate(page, axe.source);
  const { violations } = await evaluate<AxeResults>(page, 'axe.run()');
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
}

/** How far the document reaches beyond the right edge of the window, in pixels. */
export function overflow(page: Page): Promise<number> {
  return evaluate(page, 'document.documentElement.scrollWidth - document.documentElement.clientWidth');
}

/** As the debugger does it: the page's own policy lets in no script of the test. */
export async function evaluate<Value>(page: Page, expression: string): Promise<Value> {
  const debug = await page.context().newCDPSession(page);
  const { result, exceptionDetails } = await debug.send('Runtime.evaluate', {
    expression,
    awaitPromise: true,
    returnByValue: true,
  });
  await debug.detach();
  if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text);
  return result.value as Value;
}
