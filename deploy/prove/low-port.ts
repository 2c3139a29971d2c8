import { randomInt } from 'node:crypto';
import { assertPortFree } from '../../src/temporal-server/ports';

/** Temporal keeps its services' ports in a column of 16 bits with a sign, and below 20,000 most named services live. */
const lowestPort = 20_000;
const highestPort = 32_767;
const maxTries = 50;

/** Free loopback ports that Temporal's membership table can hold, which ports from `listen(0)` mostly are not. */
export async function findLowPorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries += 1) {
    const port = randomInt(lowestPort, highestPort + 1);
    try {
      await assertPortFree('127.0.0.1', port);
      ports.add(port);
    } catch (error) {
      if (tries > maxTries) throw error;
    }
  }
  return [...ports];
}
