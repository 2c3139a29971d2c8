import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { CommandRequest, CommandResponse, PageData, SessionPage } from '../../src/contract/page';
import { pagePaths } from '../../src/contract/page';

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const html = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Bellwether</title>
    <link rel="icon" href="data:," />
    <link rel="stylesheet" href="${pagePaths.style}" />
    <script type="module" src="${pagePaths.script}"></script>
  </head>
  <body>
    <div id="page"></div>
  </body>
</html>`;

/** What the page's requests find: everything works unless a test says otherwise. */
interface Behaviour {
  /** `silent`: the connection is taken, and then nothing comes, as behind a proxy that collects everything first. */
  events: 'work' | 'refuse' | 'silent';
  data: 'work' | 'refuse';
  isLoggedIn: boolean;
  command: (request: CommandRequest) => CommandResponse | Promise<CommandResponse>;
}

/** A real HTTP server for the built page, which shows what a test tells it to. */
export class PageSite {
  readonly behaviour: Behaviour = {
    events: 'work',
    data: 'work',
    isLoggedIn: true,
    command: () => ({ accepted: true, message: 'Done.' }),
  };
  /** What the page asked for, in order. */
  readonly requests: string[] = [];
  readonly commands: CommandRequest[] = [];
  readonly logins: string[] = [];
  session: SessionPage | null = null;
  readonly #server: Server;
  readonly #streams = new Set<ServerResponse>();
  #version = 0;

  private constructor(private data: PageData) {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(data: PageData): Promise<PageSite> {
    const site = new PageSite(data);
    await new Promise<void>((resolve) => site.#server.listen(0, '127.0.0.1', resolve));
    return site;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${pagePaths.page}`;
  }

  /** How many pages are listening to events. */
  get listeners(): number {
    return this.#streams.size;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Shows it to everybody who listens. */
  show(data: PageData): void {
    this.data = data;
    this.#version += 1;
    if (this.behaviour.events === 'silent') return;
    for (const stream of this.#streams) this.#send(stream);
  }

  send(event: 'tick' | 'problem', data: object): void {
    for (const stream of this.#streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** As a server that goes away. */
  breakStreams(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  #send(stream: ServerResponse): void {
    stream.write(`id: ${this.#version}\nevent: data\ndata: ${JSON.stringify(this.data)}\n\n`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    this.requests.push(`${request.method} ${request.url}`);
    response.setHeader('content-security-policy', policy);
    response.setHeader('cache-control', 'no-store');
    if (request.method === 'GET' && [pagePaths.page, pagePaths.login].some((path) => path === pathname)) {
      response.setHeader('content-type', 'text/html').end(html);
    } else if (pathname === pagePaths.script || pathname === pagePaths.style) {
      const type = pathname.endsWith('.js') ? 'text/javascript' : 'text/css';
      const file = join(__dirname, '../../dist', pathname);
      response.setHeader('content-type', type).end(await readFile(file));
    } else if (pathname === pagePaths.login) {
      this.#logIn(JSON.parse(await text(request)) as object, response);
    } else if (!this.behaviour.isLoggedIn) {
      json(response, 401, { code: 'logged_out', message: 'Log in first.' });
    } else if (pathname === pagePaths.events) {
      this.#listen(response);
    } else if (pathname === pagePaths.data) {
      this.#readData(request, response);
    } else if (pathname === pagePaths.session) {
      const session = this.session?.id === searchParams.get('id') ? this.session : null;
      json(
        response,
        session === null ? 404 : 200,
        session ?? { code: 'not_found', message: 'There is no such session.' },
      );
    } else if (pathname === pagePaths.command) {
      const command = JSON.parse(await text(request)) as CommandRequest;
      this.commands.push(command);
      json(response, 200, await this.behaviour.command(command));
    } else if (pathname === pagePaths.logout) {
      this.behaviour.isLoggedIn = false;
      response.writeHead(204).end();
    } else {
      json(response, 404, { code: 'not_found', message: 'There is nothing here.' });
    }
  }

  #logIn(credentials: object, response: ServerResponse): void {
    const [credential] = Object.values(credentials) as string[];
    this.logins.push(JSON.stringify(credentials));
    if (credential?.startsWith('right-')) {
      this.behaviour.isLoggedIn = true;
      response.writeHead(204).end();
    } else {
      json(response, 401, { code: 'wrong_key', message: 'This key is not known. Look whether all of it was copied.' });
    }
  }

  #listen(response: ServerResponse): void {
    if (this.behaviour.events === 'refuse') {
      json(response, 503, { code: 'too_many_viewers', message: 'Too many pages are open.' });
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    this.#streams.add(response);
    response.on('close', () => this.#streams.delete(response));
    if (this.behaviour.events === 'work') this.#send(response);
  }

  #readData(request: IncomingMessage, response: ServerResponse): void {
    const etag = `"${this.#version}"`;
    if (this.behaviour.data === 'refuse') {
      json(response, 503, { code: 'ledger_unavailable', message: 'The ledger cannot be read.' });
    } else if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, { etag }).end();
    } else {
      response.setHeader('etag', etag);
      json(response, 200, this.data);
    }
  }
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
