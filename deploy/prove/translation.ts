import { interpolate, type ComposeFile, type ComposeService } from '../compose-file';

/** A service of the compose file, and where the proof runs it: loopback, on a port of its own. */
export interface Place {
  readonly service: string;
  readonly composePort: number;
  readonly port: number;
}

export interface Translation {
  readonly compose: ComposeFile;
  readonly places: readonly Place[];
  /** What `--env-file` would be. */
  readonly variables: Readonly<Record<string, string>>;
  /** Stands for ./deploy, from which files and secrets are mounted. */
  readonly deployDirectory: string;
}

/** What one container of the file would run, in terms of this machine. */
export interface Translated {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly healthCheck: readonly string[];
}

/**
 * Takes a service's command, environment and health check from the compose file as they are, and changes only what
 * a network of containers would have resolved: host names, ports, mounted files and secrets.
 */
export function translate(name: string, translation: Translation): Translated {
  const service = translation.compose.services[name];
  if (service === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  const change = (value: string): string =>
    toThisMachine(interpolate(value, translation.variables), service, translation);
  // `CMD` says that the list is a program and its arguments.
  const [kind, ...healthCheck] = service.healthcheck?.test ?? ['CMD'];
  if (kind !== 'CMD') throw new Error(`${name}: the proof knows health checks of the form CMD alone`);
  return {
    command: [...(service.entrypoint ?? []), ...service.command].map(change),
    environment: Object.fromEntries(
      Object.entries(service.environment).map(([variable, value]) => [
        variable,
        // A host name that stands alone; elsewhere `temporal` is also a user and a database.
        variable.endsWith('HOST') ? '127.0.0.1' : change(value),
      ]),
    ),
    healthCheck: healthCheck.map(change),
  };
}

function toThisMachine(value: string, service: ComposeService, translation: Translation): string {
  const { places } = translation;
  let result = value.replaceAll('0.0.0.0', '127.0.0.1');
  for (const { service: host, composePort, port } of places) {
    result = result
      .replaceAll(`${host}:${composePort}`, `127.0.0.1:${port}`)
      .replaceAll(new RegExp(`\\b${composePort}\\b`, 'g'), String(port));
  }
  for (const [inside, outside] of mounts(service, translation)) result = result.replaceAll(inside, outside);
  return result;
}

/** Paths inside the container and what they are outside. */
function mounts(service: ComposeService, translation: Translation): readonly (readonly [string, string])[] {
  const { compose, deployDirectory } = translation;
  const outside = (path: string): string => path.replace(/^\.\/deploy/, deployDirectory);
  return [
    ...service.volumes
      .map((volume) => volume.split(':'))
      .filter(([source]) => source?.startsWith('./'))
      .map(([source = '', inside = '']) => [inside, outside(source)] as const),
    ...service.configs.map(({ source, target }) => [target, outside(compose.configs[source]?.file ?? '')] as const),
    ...service.secrets.map(
      (secret) => [`/run/secrets/${secret}`, outside(compose.secrets[secret]?.file ?? '')] as const,
    ),
  ];
}
