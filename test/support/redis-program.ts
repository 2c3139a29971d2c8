import { findRedisProgram } from '../../bench/redis';
import type { Reporter } from '../../src/terminal/reporter';
import { bringDebianProgram } from './debian-program';

/**
 * Returns a Redis server's program, to be started under the name `redis-server`: the one on PATH, or else Debian's. The
 * package `redis-tools` contains the same program (as `redis-check-rdb`: its name decides what it does), without the
 * service that the package `redis-server` would start on the standard port.
 * @throws Error if there is none and none can be installed, which requires root and apt-get
 */
export function bringRedis(report: Reporter): Promise<string> {
  return bringDebianProgram({ title: 'Redis server', packageName: 'redis-tools', find: findRedisProgram }, report);
}
