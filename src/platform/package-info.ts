import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface PackageInfo {
  readonly version: string;
  readonly engines: { readonly node: string };
}

/** Ours: the nearest one above this file with a package.json, because `src`, `dist` and the compiled benchmark are at different depths. */
export function packageDirectory(): string {
  let directory = __dirname;
  while (!existsSync(path.join(directory, 'package.json'))) directory = path.dirname(directory);
  return directory;
}

export function readPackageInfo(): PackageInfo {
  return JSON.parse(readFileSync(path.join(packageDirectory(), 'package.json'), 'utf8')) as PackageInfo;
}
