import { chmod, copyFile, cp, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'dotenv';
import { parseDocument } from 'yaml';
import { readCompose } from '../compose-file';
import { findLowPorts } from './low-port';
import { runOrThrow, Processes } from './processes';
import { translate, type Place, type Translated, type Translation } from './translation';

/** Ports that processes listen on in the compose file's network, by the name of the service. */
const composePorts = {
  postgresql: 5432,
  temporal: 7233,
  redis: 6379,
  'temporal-ui': 8080,
  gateway: 8081,
  'codec-server': 8234,
  prometheus: 9090,
};

const configurationFile = 'bellwether.config.yaml';

/** Ports that in a container only its own processes see; side by side with other servers they must be free ones. */
const temporalInnerPorts = [
  'TEMPORAL_FRONTEND_MEMBERSHIP_PORT',
  'TEMPORAL_HISTORY_PORT',
  'TEMPORAL_HISTORY_MEMBERSHIP_PORT',
  'TEMPORAL_MATCHING_PORT',
  'TEMPORAL_MATCHING_MEMBERSHIP_PORT',
  'TEMPORAL_WORKER_PORT',
  'TEMPORAL_WORKER_MEMBERSHIP_PORT',
];

/** What every part of the proof works with. */
export interface Stage {
  readonly projectDirectory: string;
  /** Logs, data and secrets of this run. */
  readonly directory: string;
  readonly secretsDirectory: string;
  readonly processes: Processes;
  readonly translation: Translation;
  readonly port: (service: keyof typeof composePorts) => number;
  /** Changes variables of `--env-file` for services that are translated from now on. */
  readonly setVariables: (variables: Readonly<Record<string, string>>) => void;
  /** A service of the compose file, as this machine runs it; with the programs it needs on PATH. */
  readonly service: (name: string) => Translated;
  /** Makes a program known under the name that the compose file calls it by. */
  readonly addProgram: (name: string, file: string) => Promise<void>;
  readonly temporalPorts: Readonly<Record<string, string>>;
}

/** Changes one value in the configuration file of our processes. */
export async function configure(stage: Stage, path: readonly string[], value: unknown): Promise<void> {
  const file = join(stage.directory, configurationFile);
  const document = parseDocument(await readFile(file, 'utf8'));
  document.setIn(path, value);
  await writeFile(file, String(document));
}

/** Makes directory, secrets (with the project's own script) and ports. Nothing runs yet. */
export async function setStage(projectDirectory: string): Promise<Stage> {
  const directory = await mkdtemp(join(tmpdir(), 'bellwether-proof-'));
  // Servers run as other users, as in containers, and must reach what is theirs.
  await chmod(directory, 0o711);
  const programs = join(directory, 'programs');
  await mkdir(programs);
  // Copies, because the checkout and the cache may be where only their owner can read.
  for (const name of ['temporal', 'postgres', 'observability']) {
    await cp(join(projectDirectory, 'deploy', name), join(directory, name), { recursive: true });
  }

  await copyFile(join(projectDirectory, 'deploy', configurationFile), join(directory, configurationFile));
  await runOrThrow([join(projectDirectory, 'deploy/make-secrets.sh'), directory]);
  const secretsDirectory = join(directory, 'secrets');
  // A container sees the files through mounts, whoever owns the directory.
  await chmod(secretsDirectory, 0o711);
  for (const provider of ['holysheep', 'legacy']) {
    await writeFile(join(secretsDirectory, 'providers', provider), 'a-key-for-the-simulator');
  }

  const services = Object.entries(composePorts);
  const ports = await findLowPorts(services.length + temporalInnerPorts.length);
  const places = services.map(([service, composePort], index): Place => {
    return { service, composePort, port: ports[index] ?? 0 };
  });
  const port = (service: keyof typeof composePorts): number =>
    places.find((place) => place.service === service)?.port ?? 0;
  const variables = parse(await readFile(join(directory, 'production.env')));
  const translation: Translation = {
    compose: readCompose(projectDirectory),
    places,
    variables,
    deployDirectory: directory,
  };
  const path = [programs, dirname(process.execPath), process.env['PATH']].join(':');
  return {
    projectDirectory,
    directory,
    secretsDirectory,
    processes: new Processes(directory),
    translation,
    port,
    setVariables: (changed) => void Object.assign(variables, changed),
    service: (name) => {
      const translated = translate(name, translation);
      return { ...translated, environment: { PATH: path, ...translated.environment } };
    },
    addProgram: (name, file) => copyFile(file, join(programs, name)),
    temporalPorts: Object.fromEntries([
      ['TEMPORAL_FRONTEND_PORT', String(port('temporal'))],
      ...temporalInnerPorts.map((name, index) => [name, String(ports[services.length + index])]),
    ]),
  };
}
