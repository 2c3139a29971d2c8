/**
 * `node --require ./test/support/register-typescript.js test/page/programs/take-pictures.ts <folder> [all]` takes the pictures
 * of the README, or with `all` one of every state in light, dark and narrow, and tells how soon the page shows its data.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { createReporter } from '../../../src/terminal/reporter';
import { bringChromium, chromiumEnvironment, startChromium } from '../../support/chromium';
import { pageSample, type PageState, pageStates } from '../../support/page-data';
import { openPage } from '../browser-page';
import { PageSite } from '../page-site';

interface Picture {
  readonly state: PageState;
  readonly colorScheme: 'light' | 'dark';
  readonly width: number;
  readonly height: number;
  readonly name: string;
}

const ofReadme: readonly Picture[] = [
  { state: 'progressing', colorScheme: 'light', width: 1200, height: 750, name: 'page-progressing' },
  { state: 'held', colorScheme: 'dark', width: 1200, height: 750, name: 'page-held' },
];

const ofAllStates: readonly Picture[] = pageStates.flatMap((state) =>
  [1200, 390].flatMap((width) =>
    (['light', 'dark'] as const).map((colorScheme) => {
      const name = `${state.replaceAll(' ', '-')}-${colorScheme}-${width}`;
      return { state, colorScheme, width, height: 900, name };
    }),
  ),
);

async function take(browser: Browser, folder: string, picture: Picture): Promise<void> {
  const { state, colorScheme, width, height, name } = picture;
  const site = await PageSite.start(await pageSample(state));
  const { page } = await openPage(browser, { colorScheme, viewport: { width, height } });
  const openedAtMs = performance.now();
  await page.goto(site.url);
  await page.locator('.columns').waitFor();
  const shownAfterMs = Math.round(performance.now() - openedAtMs);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  process.stdout.write(`${name}: data shown after ${shownAfterMs} ms\n`);
  await page.context().close();
  await site.stop();
}

async function main([folder, which]: readonly string[]): Promise<void> {
  if (folder === undefined) throw new Error('Say into which folder.');
  mkdirSync(folder, { recursive: true });
  process.env[chromiumEnvironment.program] = await bringChromium(createReporter(process.stderr));
  const browser = await startChromium();
  for (const picture of which === 'all' ? ofAllStates : ofReadme) await take(browser, folder, picture);
  await browser.close();
}

void main(process.argv.slice(2));
