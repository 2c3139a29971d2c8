import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { findFreePort } from '../../src/temporal-server/ports';
import { eventually } from './eventually';
import { prometheusEnvironment } from './prometheus-program';
import { end, endWithUs } from './server-process';

/** Like `describe`, if there is a Prometheus; otherwise skipped with the reason, but in CI it fails. */
export function describeWithPrometheus(title: string, suite: () => void): void {
  const reason = process.env[prometheusEnvironment.missing];
  if (reason === undefined) {
    describe(`${title} (Prometheus)`, suite);
  } else if (process.env.CI === 'true') {
    describe(`${title} (Prometheus)`, () => {
      test('CI has a Prometheus to test with', () => expect(reason).toBeUndefined());
    });
  } else {
    describe.skip(`${title} (Prometheus, skipped: ${reason})`, suite);
  }
}

/** The path of `prometheus` or `promtool`. */
export function prometheusProgram(name: 'prometheus' | 'promtool'): string {
  const directory = process.env[prometheusEnvironment.program];
  if (directory === undefined) throw new Error('There is no Prometheus here; use describeWithPrometheus.');
  return join(directory, name);
}

interface ScrapeConfig {
  readonly job_name: string;
  authorization?: { credentials_file: string };
  dns_sd_configs?: unknown;
  static_configs?: unknown;
}

/** Where a job of the configuration finds its targets here. */
export interface ScrapedJob {
  /** `127.0.0.1:9464`. */
  readonly targets: readonly string[];
  readonly key?: string;
}

export interface TestPrometheus {
  /** Of `GET /api/v1/…`. Throws with Prometheus's own words if it refuses. */
  ask(path: string, parameters?: Readonly<Record<string, string>>): Promise<unknown>;
  stop(): Promise<void>;
}

const observability = join(__dirname, '../../deploy/observability');

/** Prometheus with the shipped configuration and rules, but for where its targets are and how often it asks. */
export async function startPrometheus(jobs: Readonly<Record<string, ScrapedJob>>): Promise<TestPrometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'bellwether-prometheus-'));
  await cp(join(observability, 'rules'), join(directory, 'rules'), { recursive: true });
  const configuration = parse(await readFile(join(observability, 'prometheus.yml'), 'utf8')) as {
    global: Record<string, string>;
    scrape_configs: ScrapeConfig[];
  };
  Object.assign(configuration.global, { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' });
  for (const scraped of configuration.scrape_configs) {
    const job = jobs[scraped.job_name];
    delete scraped.dns_sd_configs;
    scraped.static_configs = [{ targets: job?.targets ?? [] }];
    if (scraped.authorization === undefined) continue;
    scraped.authorization.credentials_file = join(directory, `key-of-${scraped.job_name}`);
    await writeFile(scraped.authorization.credentials_file, job?.key ?? '');
  }
  const file = join(directory, 'prometheus.yml');
  await writeFile(file, stringify(configuration));

  const address = `127.0.0.1:${await findFreePort('127.0.0.1')}`;
  const options = [
    `--config.file=${file}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=${address}`,
  ];
  const server = spawn(prometheusProgram('prometheus'), options, { stdio: ['ignore', 'ignore', 'pipe'] });
  endWithUs(server, directory);
  let log = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-10_000)));
  const ask = async (path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> => {
    const answer = await fetch(`http://${address}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const { status, data, error } = (await answer.json()) as { status: string; data: unknown; error?: string };
    if (status !== 'success') throw new Error(`${parameters['query'] ?? path}: ${error}`);
    return data;
  };
  await eventually('Prometheus is ready', async () => {
    if (server.exitCode !== null) throw new Error(`Prometheus ended (${server.exitCode}): ${log}`);
    return fetch(`http://${address}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  });
  return {
    ask,
    stop: async () => {
      await end(server, 'SIGTERM');
      await rm(directory, { recursive: true, force: true });
    },
  };
}
