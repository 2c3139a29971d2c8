import type { Browser, Page } from 'playwright-core';
import type { PageData, RolloutNow, RolloutPage } from '../../src/contract/page';
import { describeWithChromium, startChromium } from '../support/chromium';
import { pageSample } from '../support/page-data';
import { accessibilityProblems, openPage, overflow, type WatchedPage } from './browser-page';
import { PageSite } from './page-site';

jest.setTimeout(300_000);

describeWithChromium('acting on the page', () => {
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
    await page.goto(site.url);
    await page.locator('#now').waitFor();
  });
  afterEach(async () => {
    await page.context().close();
    await site.stop();
    expect(opened.problems).toEqual([]);
  });
  afterAll(() => browser?.close());

  const button = (name: string) => page.locator('#now').getByRole('button', { name });
  const dialog = () => page.getByRole('dialog');
  const confirm = (name: string) => dialog().getByRole('button', { name });

  test('rolls back with two clicks and nothing typed', async () => {
    site.behaviour.command = () => ({ accepted: true, message: 'ann rolled back.' });
    await button('Roll back').click();
    await confirm('Roll everybody back to legacy').click();
    await page.getByRole('status').filter({ hasText: 'ann rolled back.' }).waitFor();
    expect(site.commands).toEqual([
      { rollout: 'to-holysheep', command: 'rollback', reason: 'Decided on the operator’s page.', seenPercent: 25 },
    ]);
    expect(await dialog().count()).toBe(0);
    expect(await page.locator(':focus').innerText()).toBe('Roll back…');
  });

  test('does not roll back because Enter is held down', async () => {
    await button('Roll back').focus();
    for (let repetition = 0; repetition < 5; repetition += 1) await page.keyboard.down('Enter');
    await page.keyboard.up('Enter');
    expect(await dialog().count()).toBe(1);
    expect(site.commands).toEqual([]);
  });

  test('shows what a command does and is decided on, and wants a reason', async () => {
    await button('Pause').click();
    const shown = await dialog().innerText();
    expect(shown).toContain(rolloutOf(data).now.effects.pause);
    expect(shown).toMatch(/Progressing\s+25% set, 25\.71% actual/);
    expect(shown).toMatch(/Success of holysheep\s+99\.75% \(99\.48%–99\.88%\) of 2,765/);
    await confirm('Pause').click();
    expect(site.commands).toEqual([]);
    await dialog().getByLabel('Reason').fill('the provider announced maintenance');
    await confirm('Pause').click();
    await page.getByRole('status').filter({ hasText: 'Done.' }).waitFor();
    expect(site.commands).toEqual([
      { rollout: 'to-holysheep', command: 'pause', reason: 'the provider announced maintenance', seenPercent: 25 },
    ]);
  });

  test('tells why a command was refused, and keeps what was typed', async () => {
    site.behaviour.command = () => ({ accepted: false, message: 'The evidence is not there: wait, or force it.' });
    await button('Promote').click();
    await dialog().getByLabel('Reason').fill('I am impatient');
    await confirm('Promote').click();
    await dialog().getByRole('alert').filter({ hasText: 'The evidence is not there' }).waitFor();
    expect(await dialog().getByLabel('Reason').inputValue()).toBe('I am impatient');
  });

  test('wants the name of the rollout typed to force it, or to skip steps', async () => {
    await button('Promote').click();
    expect(await dialog().getByLabel('Type the rollout’s name').count()).toBe(0);
    await dialog().getByLabel('Force it').check();
    await dialog().getByLabel('Go to 100%').check();
    await dialog().getByLabel('Reason').fill('the old provider shuts down today');
    await confirm('Promote').click();
    expect(site.commands).toEqual([]);
    await dialog().getByLabel('Type the rollout’s name').fill('to-holysheep');
    await confirm('Promote').click();
    await page.getByRole('status').filter({ hasText: 'Done.' }).waitFor();
    expect(site.commands).toMatchObject([{ force: true, full: true, typedName: 'to-holysheep', seenPercent: 25 }]);
  });

  test('excludes a period that is typed in the time zone of the viewer', async () => {
    await button('Exclude a period').click();
    await dialog().getByLabel('From').fill('2026-01-05T12:00:00');
    await dialog().getByLabel('To', { exact: false }).last().fill('2026-01-05T13:30:05');
    expect(await dialog().innerText()).toContain('2026-01-05 12:30:05 UTC');
    await dialog().getByLabel('Reason').fill('the load test of that hour');
    await confirm('Exclude a period').click();
    await page.getByRole('status').filter({ hasText: 'Done.' }).waitFor();
    const [sent] = site.commands;
    expect([sent?.fromMs, sent?.toMs].map((atMs) => new Date(atMs ?? 0).toISOString())).toEqual([
      '2026-01-05T11:00:00.000Z',
      '2026-01-05T12:30:05.000Z',
    ]);
  });

  test('sends what was shown when the dialog opened, and says that it has changed since', async () => {
    await button('Promote').click();
    await dialog().getByLabel('Reason').fill('looks fine');
    site.show(withNow({ setPercent: 50 }));
    await dialog().getByRole('alert').filter({ hasText: 'Progressing at 25% then' }).waitFor();
    await confirm('Promote').click();
    await page.getByRole('status').filter({ hasText: 'Done.' }).waitFor();
    expect(site.commands).toMatchObject([{ seenPercent: 25 }]);
  });

  test('takes over what has changed only when asked to', async () => {
    await button('Promote').click();
    await dialog().getByLabel('Reason').fill('looks fine');
    site.show(withNow({ setPercent: 50 }));
    await dialog().getByRole('button', { name: 'Show how it is now' }).click();
    expect(await dialog().innerText()).toContain('50% set');
    await confirm('Promote').click();
    await page.getByRole('status').filter({ hasText: 'Done.' }).waitFor();
    expect(site.commands).toMatchObject([{ seenPercent: 50, reason: 'looks fine' }]);
  });

  test('on old data allows nothing but a rollback', async () => {
    await button('Promote').click();
    await page.clock.fastForward(25_000);
    expect(await confirm('Promote').isDisabled()).toBe(true);
    await confirm('Cancel').click();
    expect(await page.locator('.act').innerText()).toMatch(/The data is 2\d s old\. .*only a rollback is possible/);
    for (const name of ['Promote', 'Pause', 'Exclude']) expect(await button(name).isDisabled()).toBe(true);
    await button('Roll back').click();
    await confirm('Roll everybody back').click();
    await page.getByRole('status').filter({ hasText: 'Done.' }).waitFor();
    expect(site.commands).toMatchObject([{ command: 'rollback' }]);
  });

  test('when no answer comes, says what to do about it', async () => {
    site.behaviour.command = () => new Promise(() => undefined);
    await button('Roll back').click();
    await confirm('Roll everybody back').click();
    await confirm('Sending').waitFor();
    await site.stop();
    await dialog().getByRole('alert').filter({ hasText: 'bellwether rollout rollback to-holysheep' }).waitFor();
    expect(await confirm('Roll everybody back').isEnabled()).toBe(true);
  });

  test('tells the result even if the dialog was closed before it came', async () => {
    let answer: (message: string) => void = () => undefined;
    site.behaviour.command = () =>
      new Promise((resolve) => {
        answer = (message) => resolve({ accepted: false, message });
      });
    await button('Pause').click();
    await dialog().getByLabel('Reason').fill('maintenance');
    await confirm('Pause').click();
    await confirm('Sending').waitFor();
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'detached' });
    answer('It is Paused already.');
    await page.getByRole('status').filter({ hasText: 'It is Paused already.' }).waitFor();
  });

  test('cannot press what is not possible, and says why', async () => {
    await page.locator('.act summary').click();
    expect(await button('Resume').isDisabled()).toBe(true);
    expect(await page.locator('.act details').innerText()).toContain(rolloutOf(data).now.unavailable.resume);
  });

  test('has no button left when the rollout has ended', async () => {
    site.show(await pageSample('rolled back'));
    await page.locator('#now', { hasText: 'Rolled back' }).waitFor();
    expect(await page.locator('#now').getByRole('button').count()).toBe(0);
  });

  test('has dialogs that are accessible and fit, light and wide, dark and narrow', async () => {
    for (const [name, colorScheme, width] of [
      ['Promote', 'light', 1200],
      ['Exclude', 'dark', 390],
      ['Roll back', 'dark', 390],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 844 });
      await button(name).click();
      if (name === 'Promote') await dialog().getByLabel('Force it').check();
      expect(await accessibilityProblems(page)).toEqual([]);
      expect(await overflow(page)).toBe(0);
      await page.keyboard.press('Escape');
      await dialog().waitFor({ state: 'detached' });
    }
  });

  function withNow(now: Partial<RolloutNow>): PageData {
    const rollout = rolloutOf(data);
    return { ...data, rollout: { ...rollout, now: { ...rollout.now, ...now } } };
  }
});

function rolloutOf({ rollout }: PageData): RolloutPage {
  if (rollout === null) throw new Error('The sample has no rollout.');
  return rollout;
}
