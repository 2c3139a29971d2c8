import type { AnswerFlag, Exposure, FeedbackSignal, UserEvidence } from '../../src/contract/user-evidence';
import type { Ledger } from '../../src/contract/ledger';
import type { TestDatabase } from '../support/ledgers';
import { naiveUserEvidence, type SeenTurn } from './naive-user-evidence';
import { evidenceRequest, readEvidence } from './user-rollouts';

type Rows = Pick<TestDatabase, 'query'>;

interface TurnRow {
  readonly id: string;
  readonly user: string;
  readonly arm: string;
  readonly bake: string;
  readonly language: string;
  readonly at: string;
  readonly outcome: string | null;
  readonly rescued: string | null;
  readonly flags: string | null;
  readonly call: string;
  readonly signal: FeedbackSignal | null;
}

interface CallRow {
  readonly id: string;
  readonly key: string | null;
  readonly arm: string;
  readonly outcome: string | null;
  readonly askedFor: string | null;
  readonly ms: string | null;
  readonly cost: string;
}

/** The evidence of bake 1, counted from turns, attempts and feedback alone. For rollouts in which nothing came too late. */
async function recount(database: Rows, rollout: string, atMs: number): Promise<UserEvidence> {
  const turns = await database.query<TurnRow>(
    `select turns.turn_id as id, coalesce(user_id, turns.session_id, turns.turn_id) as "user", turns.arm, bake,
        coalesce(language, 'und') as language, admitted_at_ms as at, turns.outcome, rescued_by as rescued, flags, user_call as call, signal
      from turns join attempts on attempts.turn_id = turns.turn_id and attempt = 1
        left join feedback on feedback.turn_id = turns.turn_id
      where rollout = '${rollout}'`,
  );
  const calls = await database.query<CallRow>(
    `select turn_id as id, key_id as "key", arm, outcome, may_be_asked_for as "askedFor", latency_ms as ms,
        cost_nano_usd as cost
      from attempts order by attempt`,
  );
  const order = (row: TurnRow) => Number(row.call) || Number.MAX_SAFE_INTEGER;
  const seen = turns
    .toSorted((a, b) => order(a) - order(b))
    .map((row): SeenTurn => {
      const own = calls.filter(({ id }) => id === row.id);
      const standing = {
        atMs: 0,
        isAnswered: row.outcome === 'answered' && row.rescued === null,
        flags: (row.flags ?? '').split(',') as AnswerFlag[],
        calls: own.map(({ arm, outcome, askedFor, ms, cost }) => ({
          isOwn: arm === row.arm,
          outcome,
          mayBeAskedFor: Number(askedFor) === 1,
          latencyMs: Number(ms ?? 0),
          firstTokenMs: null,
          costNanoUsd: Number(cost),
        })),
      };
      const [first] = own;
      const known = { user: row.user, arm: row.arm, language: row.language, feedback: row.signal };
      const times = { bake: Number(row.bake), admittedAtMs: Number(row.at), standings: [standing] };
      return { ...known, ...times, keyId: first?.key ?? null };
    });
  return naiveUserEvidence(seen, countedByRow, { ...evidenceRequest(rollout), atMs });
}

/** Which calls count is in the rows: the first of each user. */
export const countedByRow: Exposure = { userWindowMs: 3_600_000, longestCallMs: 600_000, maxRequestsPerUser: 5 };

/** Compares what is kept with a recount, while users are open and when all are closed. */
export async function expectRecount(ledger: Ledger, database: Rows, rollout: string): Promise<void> {
  const found = await readEvidence(ledger, rollout);
  expect(found.canary.turns).toBeGreaterThan(50);
  for (const atMs of [found.atMs, found.atMs + 2 * 3_600_000]) {
    const evidence = await readEvidence(ledger, rollout, { atMs });
    expect(withoutTimes(evidence)).toEqual(withoutTimes(await recount(database, rollout, atMs)));
  }
}

/** When the newest call ended is not in the rows, as the database's clock told it. */
function withoutTimes({ newestCanaryAtMs: _newest, ...evidence }: UserEvidence) {
  return evidence;
}
