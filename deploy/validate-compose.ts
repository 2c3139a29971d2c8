import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ComposeFile, ComposeService } from './compose-file';

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
        checkReferences(service, compose, projectDirectory),
        checkDependencies(service, compose),
      ]
        .flat()
        .map((problem) => `${name}: ${problem}`),
    ),
    ...checkVersions(compose),
    ...checkUse(compose),
  ];
}

function checkImage({ image }: ComposeService): string[] {
  if (image === undefined) return ['has no image, so what runs is not pinned'];
  // A major version alone moves; at least major and minor, and no `latest`.
  return /:v?\d+\.\d+(\.\d+)?([-.\w]*)?$/.test(image) ? [] : [`image ${image} is not pinned to a version`];
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

function tagOf(compose: ComposeFile, repository: string): string | undefined {
  const image = Object.values(compose.services).find((service) => service.image?.startsWith(`${repository}:`))?.image;
  return image?.slice(repository.length + 1);
}

/** The admin tools carry the schema of their own version: an older one would leave the server without its tables. */
function checkVersions(compose: ComposeFile): string[] {
  const server = tagOf(compose, 'temporalio/server');
  const tools = tagOf(compose, 'temporalio/admin-tools');
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
    ...unused('secret', compose.secrets, (service, name) => service.secrets.includes(name)),
  ];
}
