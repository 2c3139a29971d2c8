import { readFileSync } from 'node:fs';
import path from 'node:path';

export interface PackageInfo {
  readonly version: string;
  readonly engines: { readonly node: string };
}

/** Our own package.json, one folder up from both src and dist. */
export function readPackageInfo(): PackageInfo {
  return JSON.parse(readFileSync(path.join(__dirname, '../package.json'), 'utf8')) as PackageInfo;
}
