import { describeWithChromium } from '../../support/chromium';
import { pageSample } from '../../support/page-data';
import { british, rolloutOf, showPages, withRollout } from './shown-page';

jest.setTimeout(300_000);

describeWithChromium('the audit trail on the page', () => {
  const { open, site } = showPages();

  test('has every row with actor, reason and figures, the head and the last check', async () => {
    const data = await pageSample('paused');
    const { audit } = rolloutOf(data);
    const page = await open(data);
    const rows = page.locator('#audit .audit-rows li');
    expect(await rows.count()).toBe(audit.rows.length);
    const texts = await rows.evaluateAll((elements: { textContent: string }[]) =>
      elements.map(({ textContent }) => textContent),
    );
    for (const [index, { actor, action, reason, figures, position }] of audit.rows.entries()) {
      for (const part of [actor, action, reason, figures, `row ${british.count(position)}`]) {
        expect(texts[index]).toContain(part);
      }
    }
    const seal = await page.locator('#audit .seal').innerText();
    expect(seal).toContain(audit.head.hash.slice(0, 12));
    expect(seal).toContain('Not intact');
    expect(seal).toContain(audit.verified!.message);
  });

  test('is filtered by what is typed, also while new rows come', async () => {
    const data = await pageSample('paused');
    const { audit } = rolloutOf(data);
    const page = await open(data);
    const rows = page.locator('#audit .audit-rows li');
    await page.getByLabel('Show only rows with').fill('MAINTENANCE');
    const matching = audit.rows.filter((row) => `${row.reason} ${row.figures}`.includes('maintenance')).length;
    expect(await rows.count()).toBe(matching);
    const position = audit.head.position + 1;
    const row = { ...audit.rows[0]!, position, action: 'resume', reason: 'The maintenance is over.' };
    site().show(
      withRollout(data, {
        audit: { ...audit, rows: [row, ...audit.rows], head: { position, hash: 'ab'.repeat(32) } },
      }),
    );
    await rows.getByText('The maintenance is over.').waitFor();
    expect(await rows.count()).toBe(matching + 1);
    expect(await page.locator('#audit .seal').innerText()).toContain('ab'.repeat(6));
    await page.getByText(`Shows ${matching + 1} of ${audit.rows.length + 1} rows.`).waitFor();
  });

  test('can do without the analyses that changed nothing', async () => {
    const data = await pageSample('paused');
    const { rows } = rolloutOf(data).audit;
    const page = await open(data);
    await page.getByLabel('Hide analyses that waited').check();
    const actions = rows.map(({ action }) => action).filter((action) => action !== 'wait');
    expect(actions.length).toBeLessThan(rows.length);
    expect(await page.locator('#audit .audit-rows li b').allInnerTexts()).toEqual(actions);
  });

  test("copies the head's whole hash", async () => {
    const data = await pageSample('paused');
    const page = await open(data);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: "Copy the head's hash" }).click();
    await page.locator('#audit').getByText('copied').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(rolloutOf(data).audit.head.hash);
  });

  test('shows and selects the whole hash where the browser does not let it copy', async () => {
    const data = await pageSample('paused');
    const page = await open(data);
    await page.evaluate('navigator.clipboard.writeText = () => Promise.reject(new Error("not allowed"))');
    await page.getByRole('button', { name: "Copy the head's hash" }).click();
    await page.locator('#audit').getByText('selected').waitFor();
    expect(await page.evaluate('getSelection().toString()')).toBe(rolloutOf(data).audit.head.hash);
  });
});
