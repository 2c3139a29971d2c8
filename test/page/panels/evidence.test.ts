import type { Locator, Page } from 'playwright-core';
import { describeWithChromium } from '../../support/chromium';
import { pageSample } from '../../support/page-data';
import { british, evidenceOf, showPages, withEvidence } from './shown-page';

jest.setTimeout(300_000);

describeWithChromium('evidence on the page', () => {
  const { open, site } = showPages();

  const measureOf = (page: Page, label: string): Locator =>
    page.locator('#evidence .measure').filter({ has: page.getByText(label, { exact: true }) });

  test('tells of each measure its value, what is needed, and its state in words', async () => {
    const data = await pageSample('held');
    const { measures, missing, findings } = evidenceOf(data);
    const page = await open(data);
    expect(await page.locator('#evidence .measure').count()).toBe(measures.length);
    for (const { label, value, needed, isReached, isWanted } of measures) {
      const shown = await measureOf(page, label).locator('summary').first().innerText();
      if (value !== null && needed !== null) {
        expect(shown).toContain(british.evidence(value));
        expect(shown).toContain(`of ${british.evidence(needed)}`);
      }
      expect(shown).toContain(isReached ? (isWanted ? 'Reached' : 'Alarm') : isWanted ? 'Collecting' : 'Quiet');
    }
    expect(await page.locator('#evidence .missing-facts li').allInnerTexts()).toEqual(
      missing.map((sentence) => expect.stringContaining(sentence)),
    );
    expect(await page.locator('#evidence .findings li').allInnerTexts()).toEqual(
      findings.map((sentence) => expect.stringContaining(sentence)),
    );
    expect(await page.locator('#evidence .to-go').innerText()).toBe(
      'Enough evidence to advance, but a guard has gone off.',
    );
  });

  test('tells how many users are still to go', async () => {
    const sample = await pageSample('progressing');
    const page = await open(withEvidence(sample, { toGo: 1254 }));
    expect(await page.locator('#evidence .to-go').innerText()).toBe(
      'About 1,254 more users without a failure are needed.',
    );
    site().show(withEvidence(sample, { toGo: 1, unit: 'requests' }));
    await page.getByText('About 1 more request without a failure is needed.').waitFor();
  });

  test('a guard that only reports is no alarm, and one without data says so', async () => {
    const sample = await pageSample('progressing');
    const [first, second, third, ...rest] = evidenceOf(sample).measures;
    const page = await open(
      withEvidence(sample, {
        measures: [
          first!,
          { ...second!, isReached: true, mode: 'report' },
          { ...third!, value: null, course: [] },
          ...rest,
        ],
      }),
    );
    expect(await measureOf(page, second!.label).innerText()).toContain('Reported');
    const empty = measureOf(page, third!.label);
    expect(await empty.locator('summary').innerText()).toContain('No data');
    expect(await empty.locator('.missing').first().textContent()).toContain('not known');
    await empty.locator('summary').click();
    await empty.getByText('from the second analysis on').waitFor();
  });

  test('shows the measures of a language, which says in the list that it is alarmed', async () => {
    const data = await pageSample('held');
    const zh = evidenceOf(data).languages.find(({ language }) => language === 'zh')!;
    const page = await open(data);
    const choice = page.getByLabel('Measures of');
    expect(await choice.locator('option').allInnerTexts()).toContain('Chinese (zh) ▲ alarm');
    await choice.selectOption('zh');
    expect(await page.locator('#evidence .measure').count()).toBe(zh.measures.length);
    for (const { label, value } of zh.measures) {
      expect(await measureOf(page, label).innerText()).toContain(british.evidence(value!));
    }
  });

  test('the course tells by keyboard and pointer what it was, and at a mark who did what and why', async () => {
    const sample = await pageSample('paused');
    const page = await open(sample);
    const { measures, marks } = evidenceOf(sample);
    const advance = measures.find(({ isWanted }) => isWanted)!;
    const chart = page.locator('#evidence .chart').first();
    const plot = chart.getByRole('slider');
    const readout = chart.locator('figcaption');
    expect(await readout.innerText()).toContain(british.evidence(advance.course.at(-1)!.value));

    await plot.focus();
    await page.keyboard.press('Home');
    expect(await readout.innerText()).toContain(british.evidence(advance.course[0]!.value));
    const pause = marks.find(({ action }) => action === 'pause')!;
    while (!(await readout.innerText()).includes(pause.reason)) {
      const before = await plot.getAttribute('aria-valuenow');
      await page.keyboard.press('ArrowRight');
      expect(await plot.getAttribute('aria-valuenow')).not.toBe(before);
    }
    expect(await readout.innerText()).toContain(`pause by ${pause.actor}`);
    expect(await plot.getAttribute('aria-valuetext')).toContain(pause.reason);

    await page.keyboard.press('End');
    const sign = await chart.locator('.mark path').last().boundingBox();
    await page.mouse.move(sign!.x + 5, sign!.y + 40);
    await readout.getByText(`pause by ${pause.actor}`).waitFor();
  });

  test('the table beside a course has each point and each mark', async () => {
    const sample = await pageSample('paused');
    const page = await open(sample);
    const { measures, marks } = evidenceOf(sample);
    const course = measures.find(({ isWanted }) => isWanted)!.course;
    const chart = page.locator('#evidence .chart').first();
    await chart.getByText('As a table').click();
    await chart.locator('tbody').waitFor();
    const rows = chart.locator('tbody tr');
    expect(await rows.count()).toBe(new Set([...course, ...marks].map(({ atMs }) => atMs)).size);
    const cells = await rows.locator('td.number').allInnerTexts();
    expect(cells.filter((cell) => cell !== '–')).toEqual(
      course.toReversed().map(({ value }) => british.evidence(value)),
    );
    const table = await chart.locator('table').innerText();
    for (const { reason } of marks) expect(table).toContain(reason);
  });
});
