import * as fc from 'fast-check';
import type { AdmitResult, AttemptRow, Ledger, ReserveResult } from '../../src/contract/ledger';
import { openLedger } from '../../src/ledger/open-ledger';
import { describeOnEachDatabase, openTestLedger, type TestLedger } from '../support/ledgers';
import {
  admitRequest,
  dayMs,
  newKey,
  noonMs,
  released,
  reserveRequest,
  settled,
  turnRecord,
  unconfirmed,
} from './requests';

/**
 * A small world, so that operations interact: few turns, sessions, keys and days, and caps that a few attempts exhaust.
 */
const caps = { sessionNanoUsd: 1_200, dayNanoUsd: 1_500 };
const sessions: Record<string, string | null> = { a: 'one', b: 'one', c: 'two', d: 'two', e: null };
const keyCaps = { totalNanoUsd: 1_300, dayNanoUsd: 900 };
/** `ghost` is an unknown key: it has no cap, but its turns are counted all the same. */
const keys: Record<string, string | null> = { a: 'known', b: null, c: 'known', d: 'ghost', e: 'known' };

/**
 * One run's own part of a ledger: names that start with its number, and days before those of all earlier runs, so that
 * it abandons only its own reservations.
 */
class World {
  constructor(private readonly run: number) {}

  named(name: string): string {
    return `${this.run}-${name}`;
  }

  sessionOf(turn: string): string | null {
    const session = sessions[turn];
    return session ? this.named(session) : null;
  }

  keyOf(turn: string): string | null {
    const key = keys[turn];
    return key ? this.named(key) : null;
  }

  atMs(day: number): number {
    return noonMs + (day - this.run * 10) * dayMs;
  }

  turnIds(): readonly string[] {
    return Object.keys(sessions).map((turn) => this.named(turn));
  }
}

const turn = fc.constantFrom(...Object.keys(sessions));
const day = fc.integer({ min: 0, max: 1 });
const worstCase = fc.integer({ min: 100, max: 600 });
const attempt = fc.integer({ min: 1, max: 4 });
// A cap cannot hold if a provider charges more than was reserved.
const ending = fc.oneof(
  fc.record({ attempt, cost: fc.integer({ min: 0, max: 100 }) }).map((it) => settled(it.attempt, it.cost)),
  attempt.map(released),
  attempt.map(unconfirmed),
);

type Answer = AdmitResult | ReserveResult;
/** Runs the operation, once or again; admit and reserve return their answer. */
interface Operation {
  /** How fast-check shows it in a counterexample. */
  readonly [fc.toStringMethod]: () => string;
  readonly run: (ledger: Ledger, world: World) => Promise<Answer | void>;
}

interface Asked {
  readonly turn: string;
  readonly worstCase: number;
  readonly day: number;
  readonly id: string;
}

// Without bias: two requests never have the same id.
const request: fc.Arbitrary<Asked> = fc.record({ turn, worstCase, day, id: fc.noBias(fc.uuid()) });

function admitting(it: Asked): Operation {
  return {
    [fc.toStringMethod]: () => `admit ${JSON.stringify(it)}`,
    run: (ledger, world) => {
      const counted = { sessionId: world.sessionOf(it.turn), keyId: world.keyOf(it.turn), atMs: world.atMs(it.day) };
      const over = { ...counted, requestId: world.named(it.id), caps };
      return ledger.admit(admitRequest(world.named(it.turn), it.worstCase, over));
    },
  };
}

/** Only the key's day has too little left. */
const refusedByKeyAlone: Operation[][] = [
  [admitting({ turn: 'a', worstCase: 600, day: 0, id: 'first' })],
  [admitting({ turn: 'c', worstCase: 400, day: 0, id: 'second' })],
];

const operation: fc.Arbitrary<Operation> = fc.oneof(
  request.map(admitting),
  request.map((it) => ({
    [fc.toStringMethod]: () => `reserve ${JSON.stringify(it)}`,
    run: (ledger: Ledger, world: World) => {
      const counted = { keyId: world.keyOf(it.turn), atMs: world.atMs(it.day) };
      const over = { ...counted, requestId: world.named(it.id), caps };
      return ledger.reserveAttempt(reserveRequest(world.named(it.turn), it.worstCase, over));
    },
  })),
  fc.record({ turn, ending }).map((it) => ({
    [fc.toStringMethod]: () => `settle ${it.turn} ${it.ending.attempt} ${it.ending.state}`,
    run: (ledger: Ledger, world: World) => ledger.settleAttempt(world.named(it.turn), it.ending),
  })),
  fc.record({ turn, day, endings: fc.array(ending, { maxLength: 2 }) }).map((it) => ({
    [fc.toStringMethod]: () => `record ${it.turn} ${it.endings.map((one) => `${one.attempt} ${one.state}`).join()}`,
    run: async (ledger: Ledger, world: World) => {
      await ledger.recordTurn(turnRecord(world.named(it.turn), it.endings, { atMs: world.atMs(it.day) }));
    },
  })),
  day.map((before) => ({
    [fc.toStringMethod]: () => `abandon before ${before}`,
    run: async (ledger: Ledger, world: World) => {
      await ledger.postAbandonedReservations(0, world.atMs(before));
    },
  })),
);

/** Operations on things that do not exist are included: they must fail and change nothing. */
async function attempted(one: Operation, ledger: Ledger, world: World): Promise<Answer | void> {
  try {
    return await one.run(ledger, world);
  } catch (error) {
    expect(String(error)).toMatch(/it has no such turn|there is no such attempt/);
  }
}

interface Books {
  readonly attempts: readonly AttemptRow[];
  readonly scopes: readonly { readonly scope: string; readonly spent: number; readonly reserved: number }[];
}

async function readBooks({ ledger, database }: TestLedger, world: World): Promise<Books> {
  const attempts = (await Promise.all(world.turnIds().map((turnId) => ledger.attempts(turnId)))).flat();
  const rows = await database.query<{ scope: string; spent: string; reserved: string }>(
    'select scope, spent_nano_usd as spent, reserved_nano_usd as reserved from budgets order by scope',
  );
  const own = attempts.flatMap(scopesOf);
  const scopes = rows.map((row) => ({ ...row, spent: Number(row.spent), reserved: Number(row.reserved) }));
  return { attempts, scopes: scopes.filter(({ scope }) => own.includes(scope)) };
}

function scopesOf(row: AttemptRow): readonly string[] {
  return [`day:${row.day}`, `session:${row.sessionId}`, ...keyScopesOf(row)];
}

function keyScopesOf(row: AttemptRow): readonly string[] {
  return [`key:${row.keyId}`, `key:${row.keyId}/day:${row.day}`];
}

/** null: no cap. */
function capOf(scope: string, world: World): number | null {
  const [kind, name = ''] = scope.split(':', 2);
  if (kind === 'day') return caps.dayNanoUsd;
  if (kind === 'session') return caps.sessionNanoUsd;
  if (name.startsWith(world.named('ghost'))) return null;
  return name.endsWith('/day') ? keyCaps.dayNanoUsd : keyCaps.totalNanoUsd;
}

function hasEndedForGood(row: AttemptRow): boolean {
  return row.state === 'settled' || row.state === 'released';
}

function expectInvariants({ attempts, scopes }: Books, world: World): void {
  for (const { scope, spent, reserved } of scopes) {
    const counted = attempts.filter((row) => scopesOf(row).includes(scope));
    const open = counted.filter((row) => row.state === 'reserved');
    expect({ scope, spent }).toEqual({ scope, spent: counted.reduce((sum, row) => sum + row.costNanoUsd, 0) });
    expect({ scope, reserved }).toEqual({ scope, reserved: open.reduce((sum, row) => sum + row.reservedNanoUsd, 0) });
    expect(spent + reserved).toBeLessThanOrEqual(capOf(scope, world) ?? Number.MAX_SAFE_INTEGER);
  }
  const names = scopes.map(({ scope }) => scope);
  for (const row of attempts) if (row.keyId !== null) expect(names).toEqual(expect.arrayContaining(keyScopesOf(row)));
  for (const turnId of world.turnIds()) {
    const own = attempts.filter((row) => row.turnId === turnId).toSorted((a, b) => a.attempt - b.attempt);
    expect(own.map((row) => row.attempt)).toEqual(own.map((_, index) => index + 1));
    expect(own.slice(0, -1).filter((row) => row.state === 'reserved')).toEqual([]);
  }
}

describeOnEachDatabase('any operations in any order', (databases) => {
  let opened: TestLedger;
  let ledgers: readonly [Ledger, Ledger];
  beforeAll(async () => {
    opened = await openTestLedger(databases);
    ledgers = [opened.ledger, await openLedger(opened.database.location)];
  });
  afterAll(async () => {
    await ledgers[1].close();
    await opened.close();
  });

  test('budgets are the sums of attempts, caps hold, numbers have no gaps, and repetition changes nothing', async () => {
    let runs = 0;
    let grantedInAll = 0;
    let refusedByKey = 0;
    const batches = fc.array(fc.array(operation, { minLength: 1, maxLength: 5 }), { minLength: 4, maxLength: 10 });
    const property = fc.asyncProperty(batches, async (story) => {
      const world = new World((runs += 1));
      await opened.ledger.keys.create(newKey(world.named('known'), keyCaps));
      const granted: { readonly one: Operation; readonly answer: Answer }[] = [];
      let books = await readBooks(opened, world);
      for (const batch of story) {
        const answers = await Promise.all(batch.map((one, at) => attempted(one, ledgers[at % 2 ? 0 : 1], world)));
        const before = books;
        books = await readBooks(opened, world);
        expectInvariants(books, world);
        expect(books.attempts).toEqual(expect.arrayContaining(before.attempts.filter(hasEndedForGood)));
        batch.forEach((one, at) => {
          const answer = answers[at];
          if (answer && answer.kind !== 'refused') granted.push({ one, answer });
          if (answer && answer.kind === 'refused' && answer.scope === 'key') refusedByKey += 1;
        });
      }
      for (const { one, answer } of granted) expect(await one.run(ledgers[0], world)).toEqual(answer);
      expect(await readBooks(opened, world)).toEqual(books);
      grantedInAll += granted.length;
    });
    // The example guarantees what is expected below; one in three random runs has it, too.
    // The limit ends the search for a simpler counterexample before Jest's timeout, which would show none.
    const examples: [Operation[][]][] = [[refusedByKeyAlone]];
    await fc.assert(property, { numRuns: 30, interruptAfterTimeLimit: 40_000, examples });
    expect(grantedInAll).toBeGreaterThan(0);
    expect(refusedByKey).toBeGreaterThan(0);
  });
});
