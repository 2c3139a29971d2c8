import { mkdirSync } from 'node:fs';

/** Makes a directory that its owner alone may read: it holds conversations, money and keys. */
export function makePrivateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
}
