import { findRedisProgram } from '../../bench/redis';
import type { Reporter } from '../../src/terminal/reporter';
import { bringDebianProgram } from './debian-program';

/**
 * Returns a Redis server's program, to be started under the name `redis-server`. The one on PATH, or else Debian's: the
 * package `redis-tools` holds the very program (as `redis-check-rdb`: its name decides what it does), without the
 * service that the package `redis-server` would start on the standard port.
 * @throws Error when there is none and none can be installed: that needs root and apt-get
 */
export function bringRedis(report: Reporter): Promise<string> {
  return bringDebianProgram({ title: 'Redis server', packageName: 'redis-tools', find: findRedisProgram }, report);
}
