import type { LedgerObserver } from '../contract/observers';
import { isDatabaseFailure } from './retries';
import type { LedgerDatabase } from './schema';

type Told = (observer: LedgerObserver) => void;

/** What a transaction in progress will have told once it is committed. */
const pending = new WeakMap<LedgerDatabase, Told[]>();

/** Remembers something to tell the observer if the transaction is committed. */
export function tellWhenCommitted(trx: LedgerDatabase, tell: Told): void {
  pending.get(trx)?.push(tell);
}

/** Runs one try of a read. */
export async function observedRead<T>(observer: LedgerObserver | undefined, work: () => Promise<T>): Promise<T> {
  return observer === undefined ? work() : timed(observer, 'read', work);
}

/**
 * Runs one try of a transaction, and tells the observer what it committed. If the acknowledgement of a commit is lost, the
 * repeated transaction finds nothing to change, and nothing is told: counts may be too low then, never too high.
 */
export async function observedChange<T>(
  observer: LedgerObserver | undefined,
  db: LedgerDatabase,
  work: (trx: LedgerDatabase) => Promise<T>,
): Promise<T> {
  if (observer === undefined) return db.transaction().execute(work);
  const told: Told[] = [];
  const result = await timed(observer, 'write', () =>
    db.transaction().execute((trx) => {
      pending.set(trx, told);
      return work(trx);
    }),
  );
  for (const tell of told) tell(observer);
  return result;
}

async function timed<T>(observer: LedgerObserver, kind: 'read' | 'write', work: () => Promise<T>): Promise<T> {
  const startedAtMs = performance.now();
  const end = (isAvailable: boolean) => observer.tried(kind, (performance.now() - startedAtMs) / 1000, isAvailable);
  try {
    const result = await work();
    end(true);
    return result;
  } catch (error) {
    end(!isDatabaseFailure(error));
    throw error;
  }
}
