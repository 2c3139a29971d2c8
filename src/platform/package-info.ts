import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface PackageInfo {
  readonly version: string;
  readonly engines: { readonly node: string };
}

/** Our own package.json: the nearest one above this file, because `src`, `dist` and the compiled benchmark are at different depths. */
export function readPackageInfo(): PackageInfo {
  let directory = __dirname;
  while (!existsSync(path.join(directory, 'package.json'))) directory = path.dirname(directory);
  return JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8')) as PackageInfo;
}
