import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ComposeFile, type ComposeService, tagOf } from './compose-file';

/**
 * Everything that docker-compose.yml promises and that can be seen without running it. Returns one sentence per broken
 * promise, so an empty list means that it holds.
 */
export function validateCompose(compose: ComposeFile, projectDirectory: string): readonly string[] {
  const services = Object.entries(compose.services);
  return [
    ...services.flatMap(([name, service]) =>
      [
        checkImage(service),
        checkPrivileges(service),
        checkLiveness(name, service, compose),
        checkPorts(service),
        checkLimits(service),
        checkReferences(service, compose, projectDirectory),
        checkDependencies(service, compose),
      ]
        .flat()
        .map((problem) => `${name}: ${problem}`),
    ),
    ...checkVersions(compose),
    ...checkFront(compose),
    ...checkUse(compose),
  ];
}

function checkImage({ image }: ComposeService): string[] {
  if (image === undefined) return ['has no image, so what runs is not pinned'];
  // A major version alone moves; at least major and minor, and no `latest`.
  return /:v?\d+\.\d+(\.\d+)?([-.\w]*)?(@sha256:[0-9a-f]{64})?$/.test(image)
    ? []
    : [`image ${image} is not pinned to a version`];
}

function checkPrivileges({ user, cap_drop: dropped, security_opt: options }: ComposeService): string[] {
  const problems: string[] = [];
  if (user === undefined || !/^[1-9]\d*:[1-9]\d*$/.test(user))
    problems.push('does not run as a numbered user but root');
  if (!dropped.includes('ALL')) problems.push('keeps capabilities: cap_drop has no ALL');
  if (!options.includes('no-new-privileges:true')) problems.push('may gain privileges: no no-new-privileges');
  return problems;
}

/** A service that ends needs no health check, but must be waited for until it has ended well. */
function checkLiveness(name: string, { healthcheck, restart }: ComposeService, compose: ComposeFile): string[] {
  const conditions = Object.values(compose.services).flatMap(({ depends_on: needs }) => needs[name]?.condition ?? []);
  if (conditions.includes('service_completed_successfully')) {
    return restart?.startsWith('on-failure') ? [] : ['ends by itself, so its restart policy must be on-failure'];
  }
  const problems: string[] = [];
  if (restart !== 'unless-stopped') problems.push('runs for long, so its restart policy must be unless-stopped');
  if (healthcheck?.test === undefined || healthcheck.disable) problems.push('has no health check');
  return problems;
}

function checkPorts({ ports }: ComposeService): string[] {
  return ports
    .filter((port) => !port.startsWith('127.0.0.1:'))
    .map((port) => `publishes ${port} beyond loopback: nothing here asks callers who they are`);
}

/** The least memory that must remain besides the heap, for code, buffers and threads. */
const besidesHeapMib = 100;

function checkLimits({ pids_limit: pids, deploy, environment, command }: ComposeService): string[] {
  const memoryMib = mebibytes(deploy?.resources?.limits?.memory);
  const problems: string[] = [];
  if (pids === undefined || pids < 1) problems.push('may start any number of processes: no pids_limit');
  if (memoryMib === undefined) return [...problems, 'may take any amount of memory: no limit of memory'];
  const heapMib = /^--max-old-space-size=(\d+)$/.exec(environment['NODE_OPTIONS'] ?? '')?.[1];
  // The thread that runs a worker's workflows has a heap of its own.
  const heaps = command.at(-1) === 'worker' ? 2 : 1;
  if (heapMib !== undefined && heaps * Number(heapMib) + besidesHeapMib > memoryMib) {
    const heapsInWords = heaps === 1 ? 'a heap' : `${heaps} heaps`;
    problems.push(
      `has ${heapsInWords} of ${heapMib} MiB, which leaves less than ${besidesHeapMib} of its ${memoryMib} MiB`,
    );
  }
  return problems;
}

function mebibytes(size: string | undefined): number | undefined {
  const [, amount, unit] = /^(\d+)([mg])$/.exec(size ?? '') ?? [];
  return amount === undefined ? undefined : Number(amount) * (unit === 'g' ? 1024 : 1);
}

/** A proxy that faces the internet must not reach a server without authentication, in case it is taken over. */
function checkFront({ services }: ComposeFile): string[] {
  const members = Object.keys(services).filter((name) => services[name]?.networks.includes('front'));
  return members.join() === 'gateway' ? [] : [`network front is for the gateway alone, not for ${members.join(', ')}`];
}

function checkReferences(service: ComposeService, compose: ComposeFile, projectDirectory: string): string[] {
  const problems: string[] = [];
  for (const volume of service.volumes) {
    const [source = '', , mode] = volume.split(':');
    if (!source.startsWith('.')) {
      if (!(source in compose.volumes)) problems.push(`volume ${source} is not declared`);
    } else {
      if (mode !== 'ro') problems.push(`${source} is mounted writable`);
      if (!isSecret(source) && !existsSync(join(projectDirectory, source))) problems.push(`${source} does not exist`);
    }
  }
  for (const secret of service.secrets) {
    const declared = compose.secrets[secret];
    if (declared === undefined) problems.push(`secret ${secret} is not declared`);
    else if (!isSecret(declared.file)) problems.push(`secret ${secret} is outside deploy/secrets, which git ignores`);
  }
  for (const { source } of service.configs) {
    const file = compose.configs[source]?.file;
    if (file === undefined) problems.push(`configuration ${source} is not declared`);
    else if (!existsSync(join(projectDirectory, file))) problems.push(`${file} does not exist`);
  }
  if (service.networks.length === 0) problems.push('is in no network of its own choice');
  for (const network of service.networks) {
    if (!(network in compose.networks)) problems.push(`network ${network} is not declared`);
  }
  if (service.ports.length > 0 && service.networks.every((network) => compose.networks[network]?.internal)) {
    problems.push('publishes a port, but is only in internal networks, where none can be published');
  }
  return problems;
}

function isSecret(path: string): boolean {
  return path.startsWith('./deploy/secrets/');
}

function checkDependencies({ depends_on: needs, profiles }: ComposeService, compose: ComposeFile): string[] {
  return Object.entries(needs).flatMap(([name, { condition }]) => {
    const target = compose.services[name];
    if (target === undefined) return [`depends on ${name}, which does not exist`];
    if (condition === 'service_healthy' && (target.healthcheck?.test === undefined || target.healthcheck.disable)) {
      return [`waits for ${name} to be healthy, which has no health check`];
    }
    return target.profiles.every((profile) => profiles.includes(profile)) ? [] : [`depends on ${name} of a profile`];
  });
}

function tagOfRepository({ services }: ComposeFile, repository: string): string | undefined {
  return tagOf(Object.values(services).find(({ image }) => image?.startsWith(`${repository}:`)));
}

/** The admin tools carry the schema of their own version: an older one would leave the server without its tables. */
function checkVersions(compose: ComposeFile): string[] {
  const server = tagOfRepository(compose, 'temporalio/server');
  const tools = tagOfRepository(compose, 'temporalio/admin-tools');
  if (server === undefined || tools === undefined) return ['the Temporal server or its admin tools are missing'];
  return tools === server || tools.startsWith(`${server}-`)
    ? []
    : [`admin tools ${tools} do not match server ${server}`];
}

function checkUse(compose: ComposeFile): string[] {
  const services = Object.values(compose.services);
  const unused = (kind: string, declared: object, used: (service: ComposeService, name: string) => boolean) =>
    Object.keys(declared)
      .filter((name) => !services.some((service) => used(service, name)))
      .map((name) => `${kind} ${name} is declared and never used`);
  return [
    ...unused('volume', compose.volumes, (service, name) => service.volumes.some((one) => one.startsWith(`${name}:`))),
    ...unused('network', compose.networks, (service, name) => service.networks.includes(name)),
    ...unused('configuration', compose.configs, (service, name) =>
      service.configs.some(({ source }) => source === name),
    ),
    ...unused('secret', compose.secrets, (service, name) => service.secrets.includes(name)),
  ];
}
