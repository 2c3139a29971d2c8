/** Many messages at once to one session: what is refused was never sent, and what is answered was bought once. */
import { limits } from '../../src/contract/limits';
import { createTestKey } from '../gateway/gateway-service';
import { countBy, disagreements } from '../support/audit';
import { prepareAuditedService, type AuditedService } from '../support/audited-service';
import { eventually } from '../support/eventually';
import { spawnGateway, type GatewayProcess } from '../support/gateway-process';
import { startPostgres } from '../support/postgres';
import { startRedis } from '../support/redis';
import { fallbackModel, primaryModel } from '../support/service';
import { unique } from '../support/temporal';
import type { WorkerProcess } from '../support/worker-process';

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
  /** '' of a request that was refused before it became a turn. */
  readonly turnId: string;
}

interface Stage {
  readonly service: AuditedService;
  readonly gateways: readonly GatewayProcess[];
  readonly workers: readonly WorkerProcess[];
  readonly key: string;
  stop(): Promise<void>;
}

const configuration = {
  // What is refused here is refused for the session's queue alone.
  budgets: { sessionUsd: 1_000, dayUsd: 1_000 },
  gateway: { requestsPerMinute: 1_000_000, maxOpenRequestsOfKey: 2_000 },
} as const;

async function setStage(environment: Readonly<Record<string, string>>, processes: number): Promise<Stage> {
  const latency = { kind: 'fixed', ms: 50 } as const;
  const models = { [primaryModel]: { latency }, [fallbackModel]: { latency } };
  const service = await prepareAuditedService({ models, configuration, environment });
  const each = Array.from({ length: processes });
  const workers = await Promise.all(each.map(() => service.addWorker()));
  const gateways = await Promise.all(each.map(() => spawnGateway(service)));
  return {
    service,
    gateways,
    workers,
    key: await createTestKey(service),
    stop: async () => {
      await Promise.all(gateways.map((gateway) => gateway.stop()));
      await service.stop();
    },
  };
}

/** All at once, in turn to each session and each gateway. */
function burst({ gateways, key }: Stage, sessions: readonly string[], perSession: number): Promise<readonly Answer[]> {
  const total = sessions.length * perSession;
  return Promise.all(
    Array.from({ length: total }, async (_, index): Promise<Answer> => {
      const gateway = gateways[Math.floor(index / sessions.length) % gateways.length];
      const response = await fetch(`${gateway?.url}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          'x-bellwether-session': sessions[index % sessions.length] ?? '',
        },
        body: JSON.stringify({ model: 'bellwether', messages: [{ role: 'user', content: `Message ${index}` }] }),
      });
      const body = (await response.json()) as { error?: { code?: string } };
      return {
        status: response.status,
        code: body.error?.code,
        turnId: response.headers.get('x-bellwether-turn-id') ?? '',
      };
    }),
  );
}

interface Found {
  readonly answered: number;
  readonly calls: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

/** What was refused was not bought, and each call of what was answered is a row of the ledger that has ended. */
async function audit({ service }: Stage, answers: readonly Answer[]): Promise<Found> {
  const turnIds = new Set(answers.map(({ turnId }) => turnId));
  const calls = service.calls().filter(({ requestId }) => turnIds.has(turnOf(requestId)));
  const rows = (await service.ledger.attempts()).filter(({ turnId }) => turnIds.has(turnId));
  const called = new Set(calls.map(({ requestId }) => turnOf(requestId)));
  const answered = new Set(answers.filter(({ status }) => status === 200).map(({ turnId }) => turnId));
  expect(called).toEqual(answered);
  expect(disagreements(rows, calls)).toEqual([]);
  return { answered: answered.size, calls: calls.length, outcomes: countBy(answers, outcomeOf) };
}

/** A gateway on a busy machine may also read a request too late. It says so, and has then done nothing either. */
function expectOnlyRefusals(outcomes: Found['outcomes'], refused: number): void {
  const { '200': _answered, '429 session_busy': busy = 0, '408 request_timeout': unread = 0, ...others } = outcomes;
  expect(others).toEqual({});
  expect(busy + unread).toBe(refused);
}

const turnOf = (requestId: string | null): string => String(requestId).split('.')[0] ?? '';
const outcomeOf = ({ status, code }: Answer): string => (code === undefined ? `${status}` : `${status} ${code}`);

export interface BurstSizes {
  /** To one session at once. */
  readonly one: number;
  /** To each of several sessions at once, so many times. */
  readonly many: { readonly sessions: number; readonly perSession: number; readonly rounds: number };
  /** To each of several sessions at once, of which a worker is killed. */
  readonly killed: { readonly sessions: number; readonly perSession: number };
}

export function testBursts(prepare: () => Promise<Stage>, { one, many, killed }: BurstSizes): void {
  let stage: Stage;
  beforeAll(async () => {
    stage = await prepare();
  });
  afterAll(() => stage.stop());

  test(`${one} messages at once to one session: as many as may wait are answered, with one call each`, async () => {
    const answers = await burst(stage, [unique('session')], one);
    const { answered, calls, outcomes } = await audit(stage, answers);
    process.stdout.write(`${one} at once to one session: ${JSON.stringify(outcomes)}\n`);
    expect(calls).toBe(answered);
    expect(answered).toBeGreaterThanOrEqual(limits.maxQueuedTurns);
    expectOnlyRefusals(outcomes, one - answered);
  });

  test(`${many.perSession} messages at once to each of ${many.sessions} sessions, ${many.rounds} times: the same for each`, async () => {
    const total = many.sessions * many.perSession;
    for (let round = 0; round < many.rounds; round += 1) {
      const sessions = Array.from({ length: many.sessions }, () => unique('session'));
      const answers = await burst(stage, sessions, many.perSession);
      const { answered, calls, outcomes } = await audit(stage, answers);
      process.stdout.write(
        `${many.perSession} at once to each of ${many.sessions} sessions: ${JSON.stringify(outcomes)}\n`,
      );
      expect(calls).toBe(answered);
      expect(answered).toBeGreaterThanOrEqual(many.sessions * limits.maxQueuedTurns);
      expectOnlyRefusals(outcomes, total - answered);
    }
  });

  test('a worker that is killed amid a burst costs at most the call of each session that it was making', async () => {
    const sessions = Array.from({ length: killed.sessions }, () => unique('session'));
    const before = stage.service.calls().length;
    const answers = burst(stage, sessions, killed.perSession);
    await eventually('calls are made', () => stage.service.calls().length > before + killed.sessions / 2);
    await stage.workers[0]?.kill();
    await stage.service.addWorker();
    const { answered, calls, outcomes } = await audit(stage, await answers);
    process.stdout.write(
      `${killed.perSession} at once to each of ${killed.sessions} sessions, a worker killed: ${JSON.stringify({ ...outcomes, calls })}\n`,
    );
    expect(answered).toBeGreaterThanOrEqual(killed.sessions * limits.maxQueuedTurns);
    const total = killed.sessions * killed.perSession;
    expectOnlyRefusals(outcomes, total - answered);
    expect(calls - answered).toBeLessThanOrEqual(sessions.length * stage.gateways.length);
  });
}

export const smallStage = (): Promise<Stage> => setStage({}, 1);

export async function largeStage(): Promise<Stage> {
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  const stage = await setStage({ DATABASE_URL: postgres.url, REDIS_URL: redis.url }, 2);
  return {
    ...stage,
    stop: async () => {
      await stage.stop();
      await Promise.all([postgres.stop(), redis.stop()]);
    },
  };
}
