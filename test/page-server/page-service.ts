import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { createApiKey } from '../../src/access/api-key';
import { loadSettings } from '../../src/config/load-settings';
import type { Settings } from '../../src/config/settings';
import type { ApiKey } from '../../src/contract/api-keys';
import type { Ledger } from '../../src/contract/ledger';
import { type PageData, pagePaths } from '../../src/contract/page';
import { openLedger } from '../../src/ledger/open-ledger';
import { createOperatorPage, type OperatorPage, type PageParts } from '../../src/page-server/page-routes';
import { startPageServer } from '../../src/page-server/page-server';
import { testEnvironment } from '../support/temporal';

interface PageServerOptions {
  readonly host?: string;
  readonly allowedHosts?: readonly string[];
  readonly parts?: Partial<PageParts>;
}

/** One process that serves the page. */
export interface PageProcess {
  readonly page: OperatorPage;
  readonly url: string;
  /** Paths of requests that are over, whoever ended them. */
  readonly ended: string[];
  close(): Promise<void>;
}

/** A ledger with keys, and what the page shows of it: `shown`, which a test changes. Reads are counted. */
export interface PageService {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly logged: string[];
  shown: PageData;
  reads: number;
  /** Waits for it before each read. */
  beforeRead: () => Promise<void>;
  createKey(changes?: Partial<ApiKey>): Promise<TestKey>;
  start(options?: PageServerOptions): Promise<PageProcess>;
  stop(): Promise<void>;
}

interface TestKey {
  readonly id: string;
  readonly text: string;
}

export async function preparePageService(): Promise<PageService> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-page-'));
  const settings = loadSettings({
    environment: { ...testEnvironment, BELLWETHER_DATA_DIR: directory },
    workingDirectory: directory,
  });
  const ledger = await openLedger({ dataDirectory: directory, survivesPowerLoss: false });
  const logged: string[] = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) });
  const processes: PageProcess[] = [];
  const service: PageService = {
    settings,
    ledger,
    logged,
    shown: pageData(),
    reads: 0,
    beforeRead: async () => undefined,
    createKey: async (changes = {}) => {
      const { id, text, secretHash } = createApiKey();
      await ledger.keys.create({
        id,
        name: 'ann',
        role: 'operator',
        dayNanoUsd: null,
        totalNanoUsd: null,
        models: null,
        requestsPerMinute: null,
        createdAtMs: Date.now(),
        expiresAtMs: null,
        secretHash,
        ...changes,
      });
      return { id, text };
    },
    start: async ({ host = '127.0.0.1', allowedHosts = [], parts = {} } = {}) => {
      const page = createOperatorPage({
        ledger,
        operator: { command: () => Promise.reject(new Error('no operator')) },
        policy: settings.policy,
        logger,
        allowedHosts,
        readPage: async ({ viewer }) => {
          service.reads += 1;
          await service.beforeRead();
          return { ...service.shown, viewer };
        },
        readSession: async () => null,
        ...parts,
      });
      const gateway = { ...settings.gateway, allowedHosts };
      const ended: string[] = [];
      const watched: OperatorPage = {
        ...page,
        register: async (registering) => {
          registering.server.on('request', ({ url = '' }, answer) => answer.once('close', () => ended.push(url)));
          await page.register(registering);
        },
      };
      const server = await startPageServer({ page: watched, host, port: 0, settings: gateway, logger });
      const started = { page, url: server.url, ended, close: () => server.close() };
      processes.push(started);
      return started;
    },
    stop: async () => {
      for (const each of processes) await each.close();
      await ledger.close();
      await rm(directory, { recursive: true });
    },
  };
  return service;
}

/** Logs in and returns the `Cookie` header. */
export async function logIn(url: string, key: string): Promise<string> {
  const answer = await post(url, pagePaths.login, { key });
  if (answer.status !== 204) throw new Error(`login: ${answer.status} ${await answer.text()}`);
  return cookieOf(answer);
}

export function cookieOf(answer: Response): string {
  return answer.headers.getSetCookie().map((cookie) => cookie.split(';', 1)[0])[0] ?? '';
}

export function post(
  url: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method: 'POST',
    ...(body !== undefined && { body: JSON.stringify(body) }),
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
  });
}

interface PageEvent {
  readonly event: string;
  readonly data: unknown;
  readonly id: string | null;
}

/** An open stream of events. */
export class EventReader {
  readonly events: PageEvent[] = [];
  isEnded = false;
  private rest = '';

  private constructor(readonly answer: IncomingMessage) {
    answer.setEncoding('utf8');
    answer.on('close', () => (this.isEnded = true));
    answer.on('error', () => undefined);
  }

  static open(url: string, cookie: string, query = ''): Promise<EventReader> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${url}${pagePaths.events}${query}`, { headers: { cookie }, agent: false });
      request.once('error', reject);
      request.once('response', (answer) => {
        const reader = new EventReader(answer);
        if (answer.statusCode === 200) answer.on('data', (text: string) => reader.take(text));
        resolve(reader);
      });
      request.end();
    });
  }

  of(event: string): readonly unknown[] {
    return this.events.filter((each) => each.event === event).map(({ data }) => data);
  }

  close(): void {
    this.answer.destroy();
  }

  private take(text: string): void {
    const blocks = (this.rest + text).split('\n\n');
    this.rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(block.split('\n').map((line) => split(line)));
      const event = fields.get('event');
      if (event === undefined) continue;
      this.events.push({ event, data: JSON.parse(fields.get('data') ?? 'null'), id: fields.get('id') ?? null });
    }
  }
}

function split(line: string): readonly [string, string] {
  const at = line.indexOf(':');
  return [line.slice(0, at), line.slice(at + 1).trimStart()];
}

/** A service without a rollout. */
export function pageData(changes: Partial<PageData> = {}): PageData {
  return {
    atMs: 1_000,
    viewer: { name: '', mayOperate: false },
    service: { version: '1.0.0', isSimulated: true, temporalUiUrl: null, namespace: 'default' },
    rollouts: [],
    rollout: null,
    money: {
      day: '2026-11-30',
      todayNanoUsd: 0,
      dayCapNanoUsd: 1,
      reservedNanoUsd: 0,
      monthlyNanoUsd: 0,
      byArm: [],
      byModel: [],
      byKey: [],
      saved: null,
      uncountedFromMs: null,
    },
    targets: [],
    ...changes,
  };
}
