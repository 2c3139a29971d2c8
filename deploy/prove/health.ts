import { once } from 'node:events';
import { connect } from 'node:net';
import { eventually } from './eventually';
import { onPath } from './packages';
import { run, type Processes } from './processes';
import type { Translated } from './translation';

/** As long as the compose file's start periods and retries together give a service. */
const healthyWithinMs = 90_000;

async function answersOnTcp(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    // Refused: nobody listens yet, which is the answer that was asked for.
    return false;
  } finally {
    socket.destroy();
  }
}

/** Images bring `nc` and `wget` in busybox; a machine need not have them. */
async function passesWithout(program: string, target: string): Promise<boolean> {
  switch (program) {
    case 'nc':
      return answersOnTcp('127.0.0.1', Number(target));
    case 'wget':
      return fetch(target).then(
        (answer) => answer.ok,
        () => false,
      );
    default:
      throw new Error(`${program} is not on PATH`);
  }
}

/** Repeats a service's own health check until it passes. Throws when a started process ends first. */
export async function untilHealthy(
  name: string,
  { healthCheck, environment }: Translated,
  processes: Processes,
  options: { readonly workingDirectory?: string; readonly userId?: number | undefined } = {},
): Promise<void> {
  let output = '';
  const passed = eventually(`${name}: its health check`, healthyWithinMs, async () => {
    processes.checkAlive();
    const [program = '', ...args] = healthCheck;
    if (onPath(program) === undefined) return passesWithout(program, args.at(-1) ?? '');
    const result = await run(healthCheck, { ...options, environment });
    output = result.output.trimEnd();
    return result.status === 0;
  });
  await passed.catch((error: unknown) => {
    throw new Error(`The health check of ${name} does not pass. Its last answer: ${output}`, { cause: error });
  });
}
