/** The shipped rules and dashboards, asked of a real Prometheus that scrapes real processes. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { createTestKey } from '../gateway/gateway-service';
import { eventually } from '../support/eventually';
import { type GatewayProcess, spawnGateway } from '../support/gateway-process';
import { type MetricsWorker, spawnMetricsWorker } from '../support/metrics-worker';
import { samplesIn, sumIn, typesIn } from '../support/metrics-text';
import { describeWithPrometheus, prometheusProgram, startPrometheus, type TestPrometheus } from '../support/prometheus';
import { describeWithRedis, startRedis, type TestRedis } from '../support/redis';
import { fallbackModel, prepareService, primaryModel, type Service } from '../support/service';
import { unique } from '../support/temporal';

const projectDirectory = join(__dirname, '../..');
const directory = join(projectDirectory, 'deploy/observability');
const read = (file: string) => readFileSync(join(directory, file), 'utf8');
const runPromtool = (...args: readonly string[]) => promisify(execFile)(prometheusProgram('promtool'), [...args]);

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

const ruleFiles = readdirSync(join(directory, 'rules')).filter((file) => file.endsWith('.rules.yml'));
const testFiles = readdirSync(join(directory, 'rules')).filter((file) => file.endsWith('.test.yml'));
const rules = ruleFiles.flatMap((file) =>
  (parse(read(`rules/${file}`)) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules),
);
const alerts = rules.filter(({ alert }) => alert !== undefined);

/** What Grafana needs of a dashboard to show our panels; strict, so that a misspelled field is found. */
const source = z.strictObject({ type: z.literal('prometheus'), uid: z.literal('bellwether-prometheus') });
const panel = z.strictObject({
  id: z.int(),
  type: z.enum(['stat', 'timeseries']),
  title: z.string().min(1),
  description: z.string(),
  datasource: source,
  gridPos: z.strictObject({ x: z.int().min(0), y: z.int().min(0), w: z.int().min(1).max(24), h: z.int().min(1) }),
  fieldConfig: z.strictObject({ defaults: z.looseObject({ unit: z.string() }), overrides: z.array(z.unknown()) }),
  options: z.looseObject({}),
  targets: z
    .array(
      z.strictObject({
        refId: z.string().regex(/^[A-Z]$/),
        datasource: source,
        expr: z.string().min(1),
        legendFormat: z.string(),
        instant: z.literal(true).optional(),
        range: z.boolean(),
      }),
    )
    .min(1),
});
const annotation = z.strictObject({
  name: z.string(),
  datasource: source,
  enable: z.literal(true),
  iconColor: z.string(),
  expr: z.string(),
  titleFormat: z.string(),
  textFormat: z.string(),
  tagKeys: z.string().optional(),
  useValueForTime: z.literal('on').optional(),
});
const dashboard = z.looseObject({
  uid: z.string().max(40),
  title: z.string(),
  // The first that Grafana 10 writes; later versions migrate it.
  schemaVersion: z.literal(39),
  panels: z.array(panel).min(1),
  annotations: z.strictObject({ list: z.array(annotation) }),
});
const dashboards = ['rollout', 'gateway', 'providers'].map((name) => ({
  name,
  json: JSON.parse(read(`grafana/dashboards/${name}.json`)) as unknown,
}));

/** Every query, with what Grafana would put for its variable. */
const queries = dashboards.flatMap(({ json }) => {
  const { panels, annotations } = dashboard.parse(json);
  const inPanels = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  return [...inPanels, ...annotations.list.map(({ expr }) => expr)].map((expr) =>
    expr.replaceAll('$__rate_interval', '1m'),
  );
});

describe('the shipped dashboards', () => {
  test.each(dashboards)('$name is what Grafana reads, and no panel covers another', ({ json }) => {
    const { panels } = dashboard.parse(json);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  test('the source of their data is the one that is provisioned', () => {
    const { datasources } = parse(read('grafana/provisioning/datasources/prometheus.yml')) as {
      datasources: { uid: string; type: string }[];
    };
    expect(datasources.map(({ uid, type }) => ({ uid, type }))).toEqual([
      { uid: 'bellwether-prometheus', type: 'prometheus' },
    ]);
  });
});

describe('the shipped alerts', () => {
  const headings = readFileSync(join(projectDirectory, 'docs/operations.md'), 'utf8').match(/^### .*$/gm) ?? [];

  test.each(alerts)('$alert says what happened, and where to look first', ({ alert = '', labels, annotations }) => {
    expect(labels?.['severity']).toMatch(/^(critical|warning)$/);
    expect(annotations?.['summary']).toEqual(expect.any(String));
    expect(annotations?.['description']).toEqual(expect.any(String));
    expect(annotations?.['runbook']).toBe(`docs/operations.md#${alert.toLowerCase()}`);
    expect(headings).toContain(`### ${alert}`);
  });

  test('each has a test in which it fires, and one in which it does not', () => {
    const cases = testFiles.flatMap((file) => {
      const { tests } = parse(read(`rules/${file}`)) as {
        tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
      };
      return tests.flatMap(({ alert_rule_test: one }) => one);
    });
    for (const { alert } of alerts) {
      const own = cases.filter(({ alertname }) => alertname === alert);
      expect([alert, new Set(own.map(({ exp_alerts: expected }) => expected.length > 0)).size]).toEqual([alert, 2]);
    }
  });
});

describeWithPrometheus('the shipped rules', () => {
  test('Prometheus takes them, and its configuration', async () => {
    for (const file of ruleFiles) await runPromtool('check', 'rules', join(directory, 'rules', file));
    await runPromtool('check', 'config', '--syntax-only', join(directory, 'prometheus.yml'));
  });

  test('each alert fires when it should, and does not when it should not', async () => {
    await runPromtool('test', 'rules', ...testFiles.map((file) => join(directory, 'rules', file)));
  });
});

describeWithPrometheus('a Prometheus that scrapes a worker and a gateway', () => {
  describeWithRedis('with Redis', () => {
    let redis: TestRedis;
    let service: Service;
    let worker: MetricsWorker;
    let gateway: GatewayProcess;
    let prometheus: TestPrometheus;
    let metricsKey: string;
    beforeAll(async () => {
      redis = await startRedis();
      service = await prepareService({ environment: { REDIS_URL: redis.url, LOG_LEVEL: 'INFO' } });
      worker = await spawnMetricsWorker(service);
      gateway = await spawnGateway(service);
      metricsKey = await createTestKey(service, { role: 'metrics' });
      prometheus = await startPrometheus({
        'bellwether-gateway': { targets: [new URL(gateway.url).host], key: metricsKey },
        'bellwether-worker': { targets: [new URL(worker.metricsUrl).host] },
      });
      await useEverything();
    });
    afterAll(async () => {
      await prometheus.stop();
      await gateway.stop();
      await worker.stop();
      await service.stop();
      await redis.stop();
    });

    /** Turns of each kind: whole, streamed, flagged, failed, rated. */
    async function useEverything(): Promise<void> {
      const key = await createTestKey(service);
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
      const post = async (path: string, body: object) => {
        const answer = await fetch(`${gateway.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
        await answer.text();
        return answer;
      };
      const ask = (content: string, more: object = {}) =>
        post('/v1/chat/completions', { model: 'bellwether', messages: [{ role: 'user', content }], ...more });
      const plain = await ask('Where is my order?');
      await post(`/v1/turns/${plain.headers.get('x-bellwether-turn-id')}/feedback`, { signal: 'up' });
      await ask('And when does it arrive?', { stream: true });
      await service.simulator.setBehaviour(primaryModel, { poorAnswers: [{ kind: 'wrong-language', probability: 1 }] });
      await ask('我的订单在哪里？请帮我查一下，谢谢。');
      for (const model of [primaryModel, fallbackModel]) {
        await service.simulator.setBehaviour(model, { alwaysFault: { kind: 'status', status: 400 } });
      }
      await ask(`What about order ${unique('order')}?`);
    }

    const gatewayMetrics = async () =>
      (await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${metricsKey}` } })).text();
    const workerMetrics = async () => (await fetch(worker.metricsUrl)).text();

    test('finds both up', async () => {
      await eventually('both are scraped', async () => {
        const { result } = (await prometheus.ask('query', { query: 'up' })) as {
          result: { value: [number, string] }[];
        };
        return result.length === 2 && result.every(({ value }) => value[1] === '1');
      });
    });

    test('evaluates every rule and every query of the dashboards without an error', async () => {
      expect(queries.length).toBeGreaterThan(50);
      for (const query of [...queries, ...rules.map(({ expr }) => expr)]) await prometheus.ask('query', { query });
      await eventually('every rule has been evaluated', async () => {
        const { groups } = (await prometheus.ask('rules')) as { groups: { rules: { health: string }[] }[] };
        const evaluated = groups.flatMap((group) => group.rules);
        return evaluated.length === rules.length && evaluated.every(({ health }) => health === 'ok');
      });
    });

    test('finds every metric that a rule or a dashboard names', async () => {
      const [ofGateway, ofWorker] = await Promise.all([gatewayMetrics(), workerMetrics()]);
      const types = new Map([...typesIn(ofGateway), ...typesIn(ofWorker)]);
      const exported = new Set(['up', 'ALERTS', ...rules.flatMap(({ record }) => record ?? [])]);
      for (const [name, type] of types) {
        const parts = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
        for (const part of parts) exported.add(name + part);
      }
      const named = [...queries, ...rules.map(({ expr }) => expr)].flatMap(
        (query) => query.match(/\b(?:bellwether|temporal|process|nodejs)[\w:]+/g) ?? [],
      );
      const values = new Set(['bellwether-gateway', 'bellwether-worker']);
      expect([...new Set(named)].filter((name) => !exported.has(name) && !values.has(name))).toEqual([]);
    });

    test('exports what docs/operations.md lists, from where it says, with those labels, and nothing else', async () => {
      const page = readFileSync(join(projectDirectory, 'docs/operations.md'), 'utf8');
      const listed = [...page.matchAll(/^\| `(bellwether_\w+)` *\| (\w+) *\| ([^|]*)\|/gm)];
      const texts = { gateway: await gatewayMetrics(), worker: await workerMetrics() };
      for (const from of ['gateway', 'worker'] as const) {
        const names = [...typesIn(texts[from]).keys()].filter((name) => name.startsWith('bellwether_'));
        const expected = listed.filter(([, , where]) => where === from || where === 'both').map(([, name]) => name);
        // One registry for both kinds of processes: a gateway describes what only workers count, without samples.
        const shared = listed.filter(([, , where]) => where === 'worker').map(([, name]) => name);
        expect(names.filter((name) => from === 'worker' || !shared.includes(name)).toSorted()).toEqual(
          expected.toSorted(),
        );
        for (const [, name = '', , cell = ''] of listed) {
          const labels = [...cell.matchAll(/`(\w+)`/g)].map(([, label]) => label);
          const samples = samplesIn(texts[from]).filter((one) => one.name.replace(/_(bucket|sum|count)$/, '') === name);
          for (const sample of samples) {
            expect([name, Object.keys(sample.labels).filter((label) => label !== 'le')]).toEqual([name, labels]);
          }
        }
      }
    });

    test('the sums of the worker are the ledger’s', async () => {
      const totals = await service.ledger.costTotals();
      const text = await workerMetrics();
      const confirmed = sumIn(text, 'bellwether_cost_usd_total', { certainty: 'confirmed' }) ?? 0;
      expect(Math.round(confirmed * 1e9)).toBe(totals.costNanoUsd);
      expect(sumIn(text, 'bellwether_calls_total')).toBe(totals.attempts);
      expect(sumIn(text, 'temporal_worker_task_slots_used', { worker_type: 'WorkflowWorker' })).toBe(0);
      expect(sumIn(await gatewayMetrics(), 'bellwether_feedback_total', { signal: 'up' })).toBe(1);
    });

    test('hears within a scrape that Redis is away, and that it is back', async () => {
      const isUp = async (value: string) => {
        const { result } = (await prometheus.ask('query', {
          query: 'bellwether_redis_up{job="bellwether-gateway"}',
        })) as {
          result: { value: [number, string] }[];
        };
        return result[0]?.value[1] === value;
      };
      await eventually('it is there', () => isUp('1'));
      await redis.kill();
      await eventually('it is away', () => isUp('0'));
      await redis.restart('kept');
      await eventually('it is back', () => isUp('1'));
    });
  });
});
