import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

const text = z.union([z.string(), z.number(), z.boolean()]).transform(String);

const serviceSchema = z.looseObject({
  image: z.string().optional(),
  build: z.unknown().optional(),
  user: z.string().optional(),
  restart: z.string().optional(),
  entrypoint: z.array(z.string()).optional(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), text).default({}),
  volumes: z.array(z.string()).default([]),
  secrets: z.array(z.string()).default([]),
  configs: z.array(z.object({ source: z.string(), target: z.string() })).default([]),
  networks: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  profiles: z.array(z.string()).default([]),
  cap_drop: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
  healthcheck: z.looseObject({ test: z.array(z.string()).optional(), disable: z.boolean().default(false) }).optional(),
  depends_on: z
    .record(
      z.string(),
      z.object({
        condition: z.enum(['service_started', 'service_healthy', 'service_completed_successfully']),
      }),
    )
    .default({}),
  pids_limit: z.number().int().optional(),
  deploy: z
    .looseObject({
      replicas: z.number().int().default(1),
      resources: z.looseObject({ limits: z.looseObject({ memory: z.string().optional() }).optional() }).optional(),
    })
    .optional(),
});

const composeSchema = z.looseObject({
  services: z.record(z.string(), serviceSchema),
  networks: z.record(z.string(), z.looseObject({ internal: z.boolean().default(false) })).default({}),
  volumes: z.record(z.string(), z.unknown()).default({}),
  secrets: z.record(z.string(), z.object({ file: z.string() })).default({}),
  configs: z.record(z.string(), z.object({ file: z.string() })).default({}),
});

/** One service, with the forms that our file uses: lists for commands, ports and networks; a mapping for the rest. */
export type ComposeService = z.output<typeof serviceSchema>;
export type ComposeFile = z.output<typeof composeSchema>;

/** Parses a compose file with its anchors and merge keys. Throws an error that names the path of what does not fit. */
export function parseCompose(source: string): ComposeFile {
  const parsed = composeSchema.safeParse(parse(source, { merge: true }));
  if (!parsed.success) throw new Error(`docker-compose.yml: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

export function readCompose(projectDirectory: string): ComposeFile {
  return parseCompose(readFileSync(join(projectDirectory, 'docker-compose.yml'), 'utf8'));
}

/** The tag of a service's image, without the digest. */
export function tagOf(service: ComposeService | undefined): string | undefined {
  return service?.image?.split('@')[0]?.split(':')[1];
}

/** Compose's interpolation, as far as our file uses it: `${NAME}`, `${NAME:-default}`, `${NAME:?message}` and `$$`. */
export function interpolate(value: string, variables: Readonly<Record<string, string | undefined>>): string {
  return value.replace(
    /\$(?:\$|\{(\w+)(?::([-?])([^}]*))?\})/g,
    (_whole, name: string | undefined, kind: string | undefined, rest: string | undefined) => {
      if (name === undefined) return '$';
      const found = variables[name];
      if (found !== undefined && found !== '') return found;
      if (kind === '?') throw new Error(`${name} is not set: ${rest ?? ''}`);
      return rest ?? '';
    },
  );
}
