import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCompose } from '../../deploy/compose-file';
import { validateCompose } from '../../deploy/validate-compose';

const projectDirectory = join(__dirname, '../..');

/** Stands for Docker and its registry: every tag has the digest that is counted in `generation`, under two names. */
const docker = `#!/bin/sh
case "$1" in
  pull) exit 0 ;;
  image) for image; do :; done
    echo "mirror.example/other@sha256:$(printf '%064d' 9)"
    echo "\${image%:*}@sha256:$(printf '%064d' "$(cat "$(dirname "$0")/generation")")" ;;
esac
`;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bellwether-pins-'));
  mkdirSync(join(directory, 'deploy'));
  for (const file of ['docker-compose.yml', 'Dockerfile', 'deploy/pin-images.sh']) {
    copyFileSync(join(projectDirectory, file), join(directory, file));
  }
  writeFileSync(join(directory, 'docker'), docker, { mode: 0o755 });
});
afterEach(() => rmSync(directory, { recursive: true }));

function pinImages(...args: readonly string[]): { readonly status: number | null; readonly lines: readonly string[] } {
  const { status, stdout, stderr } = spawnSync(join(directory, 'deploy/pin-images.sh'), args, {
    env: { PATH: `${directory}:${process.env['PATH']}` },
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return { status, lines: stdout.split('\n').filter((line) => line !== '') };
}

function text(file: string): string {
  return readFileSync(join(directory, file), 'utf8');
}

test('it pins every image but ours, and says before and after what is not pinned', () => {
  const before = pinImages('--check');
  expect(before.lines).toEqual(
    expect.arrayContaining([expect.stringMatching(/^redis:/), expect.stringMatching(/^node:/)]),
  );
  expect(before.status).toBe(1);
  writeFileSync(join(directory, 'generation'), '1');
  expect(pinImages().lines).toHaveLength(before.lines.length);
  expect(pinImages('--check')).toEqual({ status: 0, lines: [] });

  const digest = `@sha256:${'1'.padStart(64, '0')}`;
  for (const image of before.lines) expect(text('docker-compose.yml') + text('Dockerfile')).toContain(image + digest);
  expect(text('docker-compose.yml').replaceAll(digest, '')).toBe(
    readFileSync(join(projectDirectory, 'docker-compose.yml'), 'utf8'),
  );
  expect(text('Dockerfile')).toMatch(/^FROM node:\S+@sha256:\d+ AS build$/m);
  expect(validateCompose(readCompose(directory), projectDirectory)).toEqual([]);
});

test('a second time it replaces the digests by those of today', () => {
  writeFileSync(join(directory, 'generation'), '1');
  pinImages();
  writeFileSync(join(directory, 'generation'), '2');
  pinImages();
  expect(text('docker-compose.yml')).not.toContain('1'.padStart(64, '0'));
  expect(text('docker-compose.yml')).toContain('2'.padStart(64, '0'));
  expect(pinImages('--check').status).toBe(0);
});
