import { closeAll, closeAllAndThrow, type Closing } from '../../src/platform/close-all';

/** Closings that record their names in `closed`; those in `failing` then throw. */
function parts(closed: string[], names: readonly string[], failing: readonly string[] = []): Closing[] {
  return names.map((name) => async () => {
    closed.push(name);
    if (failing.includes(name)) throw new Error(`${name} failed`);
  });
}

test('closes in reverse order, and nothing twice', async () => {
  const closed: string[] = [];
  const closings = parts(closed, ['ledger', 'connection', 'worker']);
  await closeAll(closings);
  await closeAll(closings);
  expect(closed).toEqual(['worker', 'connection', 'ledger']);
});

test('closes the others if one fails, and reports the first failure', async () => {
  const closed: string[] = [];
  const closings = parts(closed, ['ledger', 'connection', 'worker'], ['worker', 'connection']);
  await expect(closeAll(closings)).rejects.toThrow('worker failed');
  expect(closed).toEqual(['worker', 'connection', 'ledger']);
});

test('throws what kept a part from opening, not what then failed to close', async () => {
  const closed: string[] = [];
  const closingErrors: unknown[] = [];
  const ending = closeAllAndThrow(new Error('no Redis'), parts(closed, ['ledger'], ['ledger']), (error) =>
    closingErrors.push(error),
  );
  await expect(ending).rejects.toThrow('no Redis');
  expect(closed).toEqual(['ledger']);
  expect(closingErrors).toEqual([new Error('ledger failed')]);
});
