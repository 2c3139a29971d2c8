import pino from 'pino';
import type { Browser, Page } from 'playwright-core';
import { createApiKey } from '../../src/access/api-key';
import type { ApiKey } from '../../src/contract/api-keys';
import { pagePaths } from '../../src/contract/page';
import { serveGateway, type ServedGateway } from '../../src/services/gateway';
import { describeWithChromium, startChromium } from '../support/chromium';
import { prepareRolloutService, type RolloutService } from '../support/rollout-service';
import { shortRolloutSpec, unhurriedRolloutSpec } from '../support/rollout-spec';
import { unique } from '../support/temporal';
import { accessibilityProblems, evaluate, openPage, type WatchedPage } from './browser-page';

/** A browser beside a worker, a gateway and Temporal: on a busy machine that adds up. */
jest.setTimeout(300_000);

describeWithChromium('a rollout watched on the page', () => {
  let service: RolloutService;
  let gateway: ServedGateway;
  let browser: Browser;
  const opened: WatchedPage[] = [];

  beforeAll(async () => {
    service = await prepareRolloutService();
    await service.startWorker();
    const logger = pino({ level: 'silent' });
    gateway = await serveGateway({ settings: service.settings, host: '127.0.0.1', port: 0, logger });
    browser = await startChromium();
  });
  afterEach(async () => {
    for (const { page } of opened) await page.context().close();
    expect(opened.splice(0).flatMap(({ problems }) => problems)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await gateway?.close();
    await service?.stop();
  });

  /** A page of somebody whose key has this role. */
  const logIn = async (role: ApiKey['role'], name: string): Promise<Page> => {
    const { id, text, secretHash } = createApiKey();
    const limits = { dayNanoUsd: null, totalNanoUsd: null, models: null, requestsPerMinute: null, expiresAtMs: null };
    await gateway.ledger.keys.create({ id, name, role, createdAtMs: Date.now(), secretHash, ...limits });
    const watched = await openPage(browser);
    opened.push(watched);
    const { page } = watched;
    page.setDefaultTimeout(120_000);
    await page.goto(`${gateway.url}${pagePaths.page}`);
    await page.getByLabel('API key').fill(text);
    await page.keyboard.press('Enter');
    await page.locator('.columns').waitFor();
    return page;
  };

  const showsNow = (page: Page, text: string | RegExp) => page.locator('#now', { hasText: text }).waitFor();

  const act = async (page: Page, command: string, reason: string): Promise<void> => {
    await page.getByRole('button', { name: `${command}…` }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Reason').fill(reason);
    await dialog.getByRole('button', { name: command }).click();
    await dialog.waitFor({ state: 'detached' });
  };

  /** A user whom the split of half of the users sends to the new arm. */
  const canaryUser = async (): Promise<string> => {
    for (;;) {
      const userId = unique('user');
      const { handler } = await service.client.send({ sessionId: unique('session'), userId, content: 'Hello' });
      if (handler === 'holysheep') return userId;
    }
  };

  test('advances from its start to 100% while traffic runs, without a reload', async () => {
    const page = await logIn('operator', 'ann');
    await page.getByText('No rollout yet').waitFor();
    // Long enough for the traffic to come on a busy machine: without evidence it would be held at the end of its plan.
    const step = { percent: 50, nominalEndMs: 20_000, minimumBakeMs: 1_000 };
    const spec = shortRolloutSpec({ steps: [step], warmMs: 5_000 });
    await service.rollouts.start(spec);
    await Promise.all([showsNow(page, /Progressing\s*50%/), service.sendTurns(40)]);
    await showsNow(page, /Promoting\s*100%/);
    await showsNow(page, /Succeeded\s*100%/);
    expect(await page.title()).toBe(`✔ Succeeded 100% · ${spec.name} – Bellwether`);
    // Its rows are not drawn, and have no inner text, until they are scrolled to.
    expect(await page.locator('#audit').textContent()).toContain('advance');
    expect(await accessibilityProblems(page)).toEqual([]);
  });

  test('is paused, resumed, and rolled back in two clicks: the next turn of a canary user goes to the old arm', async () => {
    const page = await logIn('operator', 'bea');
    const spec = unhurriedRolloutSpec({ takeOver: true });
    await service.rollouts.start(spec);
    await showsNow(page, /Progressing\s*50%/);
    const userId = await canaryUser();

    await act(page, 'Pause', 'the provider announced maintenance');
    await showsNow(page, /Paused\s*50%/);
    await showsNow(page, 'bea paused it');
    await act(page, 'Resume', 'the maintenance is over');
    await showsNow(page, /Progressing\s*50%/);

    await page.getByRole('button', { name: 'Roll back…' }).click();
    await page.getByRole('button', { name: 'Roll everybody back to legacy' }).click();
    await page.getByRole('status').filter({ hasText: 'bea rolled back' }).waitFor();
    const { handler } = await service.client.send({ sessionId: unique('session'), userId, content: 'Hello' });
    expect(handler).toBe('legacy');
    await showsNow(page, /Rolled back\s*0%/);
    expect(await service.actions(spec.name)).toEqual(
      expect.arrayContaining([
        ['pause', 'bea'],
        ['resume', 'bea'],
        ['roll-back', 'bea'],
      ]),
    );
  });

  test('cannot be promoted by a page that does not show how it is', async () => {
    const hourMs = 3_600_000;
    const step = (percent: number) => ({ percent, nominalEndMs: percent * hourMs, minimumBakeMs: hourMs });
    const spec = unhurriedRolloutSpec({ steps: [step(10), step(50)], takeOver: true });
    await service.rollouts.start(spec);
    const page = await logIn('operator', 'cleo');
    await showsNow(page, /Progressing\s*10%/);
    await page.getByRole('button', { name: 'Promote…' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Force it').check();
    await dialog.getByLabel('Type the rollout’s name').fill(spec.name);
    await dialog.getByLabel('Reason').fill('it is urgent');

    await service.rollouts.command(spec.name, 'promote', { actor: 'dora', reason: 'I know', force: true });
    await dialog.getByRole('alert').filter({ hasText: 'Progressing at 50% now' }).waitFor();
    await dialog.getByRole('button', { name: 'Promote' }).click();
    await dialog
      .getByRole('alert')
      .filter({ hasText: 'promote was meant at 10%, the rollout is at 50% by now' })
      .waitFor();
    expect((await service.rollouts.status(spec.name)).state.percent).toBe(50);
    await service.rollouts.command(spec.name, 'rollback', { actor: 'dora' });
  });

  test('is only watched with the key of a viewer', async () => {
    const spec = unhurriedRolloutSpec({ takeOver: true });
    await service.rollouts.start(spec);
    const page = await logIn('viewer', 'wallboard');
    await showsNow(page, /Progressing\s*50%/);
    expect(await page.locator('.act').innerText()).toContain('may only look');
    const forged = JSON.stringify({ rollout: spec.name, command: 'pause', reason: 'I want to', seenPercent: 50 });
    const send = `fetch('${pagePaths.command}', { method: 'POST', headers: { 'content-type': 'application/json' },
      body: ${JSON.stringify(forged)} }).then(({ status }) => status)`;
    expect(await evaluate(page, send)).toBe(403);
    expect((await service.rollouts.status(spec.name)).state.phase).toBe('Progressing');
    await service.rollouts.command(spec.name, 'rollback', { actor: 'dora' });
    await showsNow(page, 'Rolled back');
  });

  test('leaves the page as soon as the key is revoked', async () => {
    const page = await logIn('operator', 'eve');
    const [{ id } = { id: '' }] = (await gateway.ledger.keys.list()).filter(({ name }) => name === 'eve');
    await gateway.ledger.keys.revoke(id, Date.now());
    await page.getByLabel('API key').waitFor();
  });
});
