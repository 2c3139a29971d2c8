import { subscribe, unsubscribe } from 'node:diagnostics_channel';

interface StartedTimer {
  readonly ms: number;
  readonly onDue: () => void;
}

/**
 * Timeouts that a test triggers by hand, once everything before them has happened: so they can be too long to expire by
 * chance on a slow machine, and no test waits for them. Watches the timers of the tested code and the responses of
 * servers.
 */
export interface HeldTimers {
  /** Makes all running timers of this length expire now. */
  pass(ms: number): void;
  isRunning(ms: number): boolean;
  /** The lengths of the running timers. */
  lengths(): readonly number[];
  /** The number of responses whose head undici has read. */
  heads(): number;
  release(): void;
}

export function holdTimers(): HeldTimers {
  const { setTimeout: start, clearTimeout: clear } = globalThis;
  const running = new Map<unknown, StartedTimer>();
  const starting = jest.spyOn(globalThis, 'setTimeout').mockImplementation(((
    onDue: (...given: unknown[]) => void,
    ms = 0,
    ...given: unknown[]
  ) => {
    const handle = start(() => {
      running.delete(handle);
      onDue(...given);
    }, ms);
    running.set(handle, { ms, onDue: () => onDue(...given) });
    return handle;
  }) as typeof setTimeout);
  const clearing = jest.spyOn(globalThis, 'clearTimeout').mockImplementation((handle) => {
    running.delete(handle);
    clear(handle);
  });
  const of = (ms: number): readonly StartedTimer[] => [...running.values()].filter((timer) => timer.ms === ms);

  let heads = 0;
  const onHead = (): void => void (heads += 1);
  subscribe('undici:request:headers', onHead);
  return {
    pass: (ms) => of(ms).forEach(({ onDue }) => onDue()),
    isRunning: (ms) => of(ms).length > 0,
    lengths: () => Array.from(running.values(), ({ ms }) => ms),
    heads: () => heads,
    release() {
      starting.mockRestore();
      clearing.mockRestore();
      unsubscribe('undici:request:headers', onHead);
    },
  };
}
