import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createReporter } from '../../src/terminal/reporter';
import { bringPrometheus } from '../../test/support/prometheus-program';
import { eventually } from './eventually';
import { untilHealthy } from './health';
import type { Stage } from './stage';
import { inWorkerOrThrow } from './turns';

/** Four scrapes. */
const scrapedWithinMs = 60_000;

interface Scraped {
  readonly activeTargets: readonly { readonly labels: { readonly job: string }; readonly health: string }[];
}

/**
 * Prometheus of Debian with the compose file's command and the shipped configuration, in which only the places of its
 * targets are others: this machine has no DNS for services. Returns what it found.
 */
export async function proveMetrics(stage: Stage, image: string, workers: readonly string[]): Promise<string> {
  const made = await inWorkerOrThrow(
    stage,
    image,
    'keys',
    'create',
    '--name',
    'prometheus',
    '--role',
    'metrics',
    '--json',
  );
  const keyFile = join(stage.secretsDirectory, 'metrics_key');
  await writeFile(keyFile, (JSON.parse(made) as { key: string }).key);
  const targets = workers.map((name) => {
    const [, host] = /"url":"http:\/\/([^/]+)\/metrics"/.exec(stage.processes.log(name)) ?? [];
    if (host === undefined) throw new Error(`${name} does not say where its metrics are`);
    return host;
  });
  const configuration = join(stage.directory, 'observability/prometheus.yml');
  const source = await readFile(configuration, 'utf8');
  const changed = source
    .replace('/run/secrets/metrics_key', keyFile)
    .replace(/dns_sd_configs: \[\{ names: \[gateway\].*$/m, staticTargets([`127.0.0.1:${stage.port('gateway')}`]))
    .replace(/dns_sd_configs: \[\{ names: \[worker\].*$/m, staticTargets(targets));
  await writeFile(configuration, changed);

  await stage.addProgram('prometheus', join(await bringPrometheus(createReporter(process.stderr)), 'prometheus'));
  const prometheus = stage.service('prometheus');
  const data = join(stage.directory, 'prometheus');
  await mkdir(data);
  const command = prometheus.command.map((part) => part.replace(/=\/prometheus$/, `=${data}`));
  stage.processes.start('prometheus', command, { environment: prometheus.environment });
  await untilHealthy('prometheus', prometheus, stage.processes);
  const found = await findTargets(stage, workers.length + 1);
  await stage.processes.stop('prometheus');
  return found;
}

function staticTargets(targets: readonly string[]): string {
  return `static_configs: [{ targets: [${targets.map((target) => `'${target}'`).join(', ')}] }]`;
}

async function findTargets(stage: Stage, expected: number): Promise<string> {
  let found: Scraped['activeTargets'] = [];
  await eventually('Prometheus: its targets', scrapedWithinMs, async () => {
    const answer = await fetch(`http://127.0.0.1:${stage.port('prometheus')}/api/v1/targets`);
    found = ((await answer.json()) as { data: Scraped }).data.activeTargets;
    return found.length === expected && found.every(({ health }) => health === 'up');
  });
  return found.map(({ labels }) => labels.job).join(', ');
}
