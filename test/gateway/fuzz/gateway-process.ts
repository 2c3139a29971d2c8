import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** What a gateway's process has, measured after its garbage was collected. */
export interface GatewayHoldings {
  readonly heapBytes: number;
  /** Open handles and running requests of Node, by kind. */
  readonly resources: Readonly<Record<string, number>>;
  /** Of Node: listeners that pile up, for one. */
  readonly warnings: readonly string[];
  /** Lines that the gateway logged as errors. */
  readonly errors: readonly string[];
}

/** A gateway in a process of its own: a crash is seen as one, and its heap holds nothing of the test's. */
export interface GatewayProcess {
  readonly url: string;
  /** Rejects with what it wrote when it has crashed. */
  holdings(): Promise<GatewayHoldings>;
  stop(): Promise<void>;
}

export async function startGatewayProcess(environment: Readonly<Record<string, string>>): Promise<GatewayProcess> {
  const program = join(__dirname, '../programs/measured-gateway.ts');
  const child = fork(program, [JSON.stringify(environment)], {
    execArgv: ['--require', join(__dirname, '../../support/register-typescript.js')],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => (output += text.toString()));
  const exited = once(child, 'exit');
  const crashed = once(child, 'close').then(() => Promise.reject(new Error(end())));
  // Whoever asks for something then hears of it.
  crashed.catch(() => undefined);
  const end = (): string => `The gateway ended (${child.signalCode ?? child.exitCode}): ${output}`;
  const message = async <Message>(): Promise<Message> => {
    const [first] = (await Promise.race([once(child, 'message'), crashed])) as [Message];
    return first;
  };
  const url = await message<string>();
  return {
    url,
    holdings: () => {
      // It cannot be sent to one that has crashed; `message` tells.
      child.send('holdings', () => undefined);
      return message<GatewayHoldings>();
    },
    stop: async () => {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}
