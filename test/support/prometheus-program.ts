import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findOnPath } from '../../src/temporal-server/programs';
import type { Reporter } from '../../src/terminal/reporter';
import { cacheDirectory } from './cache-directory';
import { bringDebianProgram } from './debian-program';

/** Set by global-setup: the directory with `prometheus` and `promtool`, or why there is none. */
export const prometheusEnvironment = {
  program: 'BELLWETHER_TEST_PROMETHEUS',
  missing: 'BELLWETHER_TEST_PROMETHEUS_MISSING',
} as const;

/**
 * Returns the directory of `prometheus` and `promtool`: the one on PATH, or else Debian's package, unpacked: installed, it
 * would start a server.
 * @throws Error if there is none and none can be had, which requires apt-get
 */
export function bringPrometheus(report: Reporter): Promise<string> {
  const unpackInto = join(cacheDirectory, 'debian-prometheus');
  const find = () => {
    const program = findOnPath('promtool', process.env['PATH'] ?? '') ?? join(unpackInto, 'usr/bin/promtool');
    return existsSync(join(dirname(program), 'prometheus')) ? dirname(program) : undefined;
  };
  return bringDebianProgram({ title: 'Prometheus', packageName: 'prometheus', find, unpackInto }, report);
}
