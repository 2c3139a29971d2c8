import type { Page } from 'playwright-core';
import type { PageData, SessionPage } from '../../../src/contract/page';
import { describeWithChromium } from '../../support/chromium';
import { pageSample, sessionSample } from '../../support/page-data';
import { accessibilityProblems, overflow } from '../browser-page';
import { showPages } from './shown-page';

jest.setTimeout(300_000);

const markup = `<img src="x" onerror="document.body.dataset.attacked = 'yes'"><script>document.body.dataset.attacked = 'yes'</script>`;
const rightToLeftOverride = '\u{202e}';
const longWord = 'W'.repeat(500);
const hostile = ` ${markup} ${rightToLeftOverride}desrever ${longWord}`;

/** Where the page's own code decides by the value. */
const kept = new Set(['phase', 'circuit', 'workflow', 'mode', 'unit', 'day', 'action', 'temporalUiUrl', 'workflowUrl']);

/** The same data, with hostile text at the end of every text. */
function hostileIn<Value>(value: Value): Value;
function hostileIn(value: unknown): unknown {
  if (typeof value === 'string') return value + hostile;
  if (Array.isArray(value)) return value.map((one: unknown) => hostileIn(one));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, kept.has(key) ? inner : hostileIn(inner)]);
  return Object.fromEntries(entries);
}

const panels = ['#evidence', '#arms', '#money', '#providers', '#audit', '#rollouts'];

describeWithChromium("hostile text in the page's panels", () => {
  const showing = showPages();
  let data: PageData;
  const session: SessionPage = { ...hostileIn(sessionSample), id: hostile };

  beforeAll(async () => {
    data = hostileIn(await pageSample('held'));
  });

  const open = (width: number, query = ''): Promise<Page> =>
    showing.open(data, { query, session, viewport: { width, height: 844 } });

  test.each([1200, 390])('is text, and does not widen a window of %i px', async (width) => {
    const page = await open(width);
    for (const panel of panels) {
      await page
        .locator(`${panel} details:not([open]) > summary`)
        .evaluateAll((summaries: { click(): void }[]) => summaries.forEach((summary) => summary.click()));
      const shown = (await page.locator(panel).textContent()) ?? '';
      expect(shown).toContain(markup);
      expect(shown).toContain(longWord);
      // What turns the direction of text is made visible.
      expect(shown).not.toContain(rightToLeftOverride);
      expect(shown).toContain('[U+202E]desrever');
    }
    expect(await page.locator('#page img, #page script').count()).toBe(0);
    expect(await page.locator('body').getAttribute('data-attacked')).toBeNull();
    expect(await overflow(page)).toBe(0);
    expect(await accessibilityProblems(page)).toEqual([]);
  });

  test.each([1200, 390])('of a session is text, and does not widen a window of %i px', async (width) => {
    const page = await open(width, `?${new URLSearchParams({ session: session.id }).toString()}`);
    const shown = (await page.locator('#session').textContent()) ?? '';
    for (const text of [markup, longWord, '[U+202E]desrever']) expect(shown).toContain(text);
    expect(shown).not.toContain(rightToLeftOverride);
    expect(await page.locator('#page img').count()).toBe(0);
    expect(await overflow(page)).toBe(0);
    expect(await accessibilityProblems(page)).toEqual([]);
  });
});
