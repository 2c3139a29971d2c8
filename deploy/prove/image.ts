import { readFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unprivilegedUser } from './packages';
import { runOrThrow } from './processes';

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

function readStages(dockerfile: string): readonly (readonly Instruction[])[] {
  const stages: Instruction[][] = [];
  for (const line of dockerfile.replaceAll('\\\n', ' ').split('\n')) {
    const [, name, rest] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined) continue;
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, rest });
  }
  return stages;
}

/** Names that .dockerignore lets into the build: ours ignores everything and then names what it takes. */
function allowedNames(projectDirectory: string): ReadonlySet<string> {
  const lines = readFileSync(join(projectDirectory, '.dockerignore'), 'utf8').split('\n');
  return new Set(lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1)));
}

const isOlderThanImage = Number(process.versions.node.split('.')[0]) < 22;

/**
 * Does what the Dockerfile says, without Docker: its COPY and RUN lines in directories instead of layers. Debian packages
 * are left to the machine. Returns the directory that stands for the finished image's /app.
 */
export async function buildImage(
  projectDirectory: string,
  directory: string,
  progress: (step: string) => void,
): Promise<string> {
  const [buildStage = [], finalStage = []] = readStages(readFileSync(join(projectDirectory, 'Dockerfile'), 'utf8'));
  const allowed = allowedNames(projectDirectory);
  const environment = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const build = join(directory, 'build');
  const image = join(directory, 'image');
  await mkdir(build, { recursive: true });
  await mkdir(image, { recursive: true });

  for (const { name, rest } of buildStage) {
    if (name === 'COPY') {
      for (const source of sourcesOf(rest)) {
        if (!allowed.has(source)) throw new Error(`Dockerfile copies ${source}, which .dockerignore keeps out`);
        await cp(join(projectDirectory, source), join(build, source), { recursive: true });
      }
    } else if (name === 'RUN' && !rest.startsWith('apt-get')) {
      progress(rest);
      await runOrThrow(['/bin/sh', '-c', rest], { workingDirectory: build, environment });
      if (rest.startsWith('npm ci') && isOlderThanImage) {
        // The image's Node finds a compiled SQLite in its package; the Node of this machine has to compile another.
        await runOrThrow(['npm', 'rebuild', 'better-sqlite3-node20'], { workingDirectory: build, environment });
      }
    }
  }
  for (const { name, rest } of finalStage) {
    if (name !== 'COPY') continue;
    for (const source of sourcesOf(rest.replace('--from=build ', ''))) {
      const path = source.replace('/app/', '');
      await cp(join(build, path), join(image, path), { recursive: true, verbatimSymlinks: true });
    }
  }
  return image;
}

/** Processes of ours run from the image's files, as a user who cannot change them. */
export function asInContainer(image: string) {
  return { workingDirectory: image, userId: unprivilegedUser('nobody') };
}

/** All words but the last, which is where they go. */
function sourcesOf(rest: string): readonly string[] {
  return rest.split(/ +/).slice(0, -1);
}
