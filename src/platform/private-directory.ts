import { mkdirSync } from 'node:fs';

/** Creates a directory that only its owner can read: it holds conversations, costs and keys. */
export function makePrivateDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
}
