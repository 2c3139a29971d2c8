import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { UpProcess } from '../cli/up-process';
import { describeWithChromium, startChromium } from '../support/chromium';
import { listenersOf, type Listener } from '../support/listeners';

/** A browser beside everything that `up` starts: on a busy machine that adds up. */
jest.setTimeout(300_000);

const session = 'session-of-a-customer';
const startOfHistory = 'EVENT_TYPE_WORKFLOW_EXECUTION_STARTED';

/** What Temporal's HTTP APIs take, also when a page says that it is plain text. */
const order = JSON.stringify({ workflowType: { name: 'chatTurn' }, taskQueue: { name: 'bellwether' } });

describeWithChromium('a web page that the developer visits while `up` runs', () => {
  const up = new UpProcess();
  let elsewhere: Server;
  let browser: Browser;
  /** Of a developer who has the UI open. */
  let context: BrowserContext;
  let ui: Page;

  beforeAll(async () => {
    await up.start();
    expect((await up.run('chat', 'Where is my order?', '--session', session)).status).toBe(0);
    elsewhere = createServer((_request, answer) => answer.setHeader('content-type', 'text/html').end('<p>Hello'));
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    browser = await startChromium();
    context = await browser.newContext();
    ui = await context.newPage();
    await ui.goto(printed(/Temporal UI +(\S+)/));
  });

  afterAll(async () => {
    await browser?.close();
    elsewhere?.close();
    await up.remove();
  });

  test('the printed link opens the UI, with the list of workflows and their histories', async () => {
    await ui
      .getByRole('link', { name: `conversation/${session}` })
      .first()
      .click();
    await ui.getByText('sendMessage').filter({ visible: true }).first().waitFor();
    expect(new URL(ui.url()).search).not.toContain('token');
  });

  test('of another port of this machine neither frames the UI nor leads to it', async () => {
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`);
    const url = `${new URL(printed(/Temporal UI +(\S+)/)).origin}/`;
    const framed = page.waitForResponse(url);
    await page.setContent(`<iframe src="${url}"></iframe>`);
    expect((await framed).status()).toBe(403);
    const led = page.waitForResponse(url);
    await page.setContent(`<a href="${url}">The UI</a>`);
    await page.click('a');
    expect((await led).status()).toBe(403);
  });

  test('of any origin may hold the link, which opens the UI', async () => {
    const page = await context.newPage();
    await page.goto(`http://chat.example:${(elsewhere.address() as AddressInfo).port}/`);
    const link = printed(/Temporal UI +(\S+)/);
    const opened = page.waitForResponse(`${new URL(link).origin}/`);
    await page.setContent(`<a href="${link}">The UI</a>`);
    await page.click('a');
    expect((await opened).status()).toBe(200);
  });

  test('starts no workflow when it sends to every port of this machine', async () => {
    const page = await context.newPage();
    await page.goto(`http://attacker.example:${(elsewhere.address() as AddressInfo).port}/`);
    for (const { port } of await reachable()) {
      await page.evaluate(
        async ([url = '', body]) => {
          const headers = { 'content-type': 'text/plain' };
          await fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', headers, body }).catch(
            () => null,
          );
        },
        [`http://127.0.0.1:${port}${workflowPath(`sent-${port}`)}`, order],
      );
    }
    expect(await workflowIds()).toEqual([`conversation/${session}`]);
  });

  test('reads nothing and starts nothing when its own name comes to mean this machine', async () => {
    const reads: { port: number; path: string; status: number; text: string }[] = [];
    const paths = [
      workflowPath(''),
      `${workflowPath(`conversation%2F${session}`)}/history`,
      ...['/', '/metrics', '/openapi.json', '/readyz', '/v1/models'],
    ];
    for (const { port } of await reachable()) {
      const page = await context.newPage();
      const origin = `http://evil.example:${port}`;
      // The page itself is still of the attacker's server; what it asks for from then on is answered here.
      await page.route(`${origin}/attack`, (route) => route.fulfill({ contentType: 'text/html', body: '<p>Hello' }));
      await page.goto(`${origin}/attack`);
      for (const path of paths) {
        const read = await page.evaluate(async (target) => {
          const answer = await fetch(target).catch(() => null);
          return { status: answer?.status ?? 0, text: (await answer?.text().catch(() => '')) ?? '' };
        }, path);
        reads.push({ port, path, ...read });
      }
      await page.evaluate(
        async ([target = '', body, token = '']) => {
          await fetch(target, { method: 'POST', headers: { 'x-csrf-token': token }, body }).catch(() => null);
        },
        // A page that reads its own cookies has what protects the UI from requests of other pages.
        [workflowPath(`rebound-${port}`), order, await csrfTokenFor(origin)],
      );
      await page.close();
    }
    expect(await workflowIds()).toEqual([`conversation/${session}`]);
    expect(reads.filter(({ text }) => text.includes(session) || text.includes(startOfHistory))).toEqual([]);
    // Counts without names of sessions or texts are all there is: the Temporal server cannot be told to hide its own.
    const answered = reads.filter(({ status }) => status >= 200 && status < 300);
    expect(answered).toEqual([
      expect.objectContaining({ path: '/metrics', text: expect.stringContaining('# HELP acquire_shards_count') }),
    ]);
  });

  /** All but the address that is kept secret, of which no page knows. */
  async function reachable(): Promise<readonly Listener[]> {
    const listeners = await listenersOf(up.pid);
    const hidden = listeners.filter(({ address }) => address !== '127.0.0.1');
    expect(hidden.map(({ address }) => address)).toEqual([expect.stringMatching(/^127\.[1-9]/)]);
    return listeners.filter((each) => !hidden.includes(each));
  }

  async function csrfTokenFor(origin: string): Promise<string> {
    const cookies = await context.cookies(origin);
    return cookies.find(({ name }) => name === '_csrf')?.value ?? '';
  }

  async function workflowIds(): Promise<readonly string[]> {
    const connection = await Connection.connect({ address: printed(/Temporal +(127\S+),/) });
    try {
      const ids: string[] = [];
      for await (const { workflowId } of new Client({ connection }).workflow.list()) ids.push(workflowId);
      return ids;
    } finally {
      await connection.close();
    }
  }

  function printed(pattern: RegExp): string {
    const [, value] = pattern.exec(up.output) ?? [];
    if (value === undefined) throw new Error(`up has not printed ${pattern}: ${up.output}`);
    return value;
  }
});

function workflowPath(id: string): string {
  return `/api/v1/namespaces/default/workflows${id && `/${id}`}`;
}
