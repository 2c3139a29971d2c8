/**
 * Streamed turns with gateway, worker, Redis and provider in processes of their own, of which all but the provider are
 * killed while the model speaks.
 */
import { seededRandom } from '../../src/domain/random';
import { disagreements } from '../support/audit';
import { prepareAuditedService, type AuditedService } from '../support/audited-service';
import { createTestKey } from '../gateway/gateway-service';
import { eventually } from '../support/eventually';
import { spawnGateway, type GatewayProcess } from '../support/gateway-process';
import { timeoutsOf } from '../support/history-timeouts';
import { startRedis, type TestRedis } from '../support/redis';
import { fallbackModel, primaryModel } from '../support/service';
import { type StreamForm, StreamReader } from '../support/stream-reader';
import { startOwnTemporal } from '../support/temporal';
import type { WorkerProcess } from '../support/worker-process';

/** Some 20 pieces for each answer: every turn speaks for two to three seconds. */
const pieceGapMs = 120;
const padding = 'a-long-marker-makes-a-long-answer-'.repeat(4);
const mostPiecesBeforeKill = 15;
/** Chat completions and responses are killed alike. */
const forms: readonly StreamForm[] = ['chat', 'response', 'chat', 'response'];
const seed = 'gateway-kills';

export interface StreamKills {
  /** What is killed alone; at last Redis is, together with a gateway and all workers. */
  readonly alone: readonly ('worker' | 'workers' | 'gateway' | 'redis')[];
  /** At as many random moments each is killed. */
  readonly roundsPerKill: number;
  /** What becomes of the data of a Redis that is killed. */
  readonly redisFates: readonly ('kept' | 'lost')[];
  /** As for `startOwnTemporal`. */
  readonly workflowTaskTimeoutSeconds?: number;
}

export function testStreamKills({ alone, roundsPerKill, redisFates, workflowTaskTimeoutSeconds }: StreamKills): void {
  let temporal: Awaited<ReturnType<typeof startOwnTemporal>>;
  let redis: TestRedis;
  let service: AuditedService;
  let workers: WorkerProcess[] = [];
  let gateways: GatewayProcess[] = [];
  let key: string;
  const random = seededRandom(seed);

  beforeAll(async () => {
    [temporal, redis] = await Promise.all([startOwnTemporal({ workflowTaskTimeoutSeconds }), startRedis()]);
    service = await prepareAuditedService({
      temporal,
      models: { [primaryModel]: { pieceGapMs }, [fallbackModel]: { pieceGapMs } },
      environment: { REDIS_URL: redis.url },
    });
    workers = await Promise.all([service.addWorker(), service.addWorker()]);
    gateways = await Promise.all([spawnGateway(service), spawnGateway(service)]);
    key = await createTestKey(service);
  });
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await service.stop();
    await Promise.all([temporal.stop(), redis.stop()]);
  });

  const urlOf = (gateway: number): string => gateways[gateway]?.url ?? '';
  const authorization = () => ({ authorization: `Bearer ${key}` });

  function begin(gateway: number, idempotencyKey: string, form: StreamForm): Promise<Response> {
    const content = `Where is my order? [ref:${padding}${idempotencyKey}]`;
    const path = form === 'chat' ? 'chat/completions' : 'responses';
    const asked = form === 'chat' ? { messages: [{ role: 'user', content }] } : { input: content };
    return fetch(`${urlOf(gateway)}/v1/${path}`, {
      method: 'POST',
      headers: { ...authorization(), 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
      body: JSON.stringify({ model: 'bellwether', stream: true, ...asked }),
    });
  }

  function rejoin(
    gateway: number,
    { turnId, lastEventId, form }: Pick<StreamReader, 'turnId' | 'lastEventId' | 'form'>,
  ) {
    if (form === 'response') {
      const after = lastEventId === null ? '' : `&starting_after=${lastEventId}`;
      const url = `${urlOf(gateway)}/v1/responses/resp_${turnId}?stream=true${after}`;
      return fetch(url, { headers: authorization() });
    }
    const headers = { ...authorization(), ...(lastEventId !== null && { 'last-event-id': lastEventId }) };
    return fetch(`${urlOf(gateway)}/v1/turns/${turnId}/stream`, { headers });
  }

  async function storedAnswer(turnId: string): Promise<string | null> {
    const response = await fetch(`${urlOf(1)}/v1/turns/${turnId}`, { headers: authorization() });
    const turn = (await response.json()) as { completion: { choices: { message: { content: string } }[] } | null };
    return turn.completion?.choices[0]?.message.content ?? null;
  }

  interface Begun {
    readonly reader: StreamReader;
    readonly idempotencyKey: string;
    readonly reading: Promise<void>;
    /** Another reader of the same turn, from its beginning, at the gateway that is not killed. */
    readonly second: { readonly reader: StreamReader; readonly reading: Promise<void> } | null;
  }

  /** Turns through the first gateway, as far as the first of them has shown `pieces` pieces. */
  async function beginTurns(pieces: number): Promise<readonly Begun[]> {
    const callsBefore = service.calls().length;
    const begun = forms.map((form) => {
      const reader = new StreamReader(form);
      const idempotencyKey = crypto.randomUUID();
      return { reader, idempotencyKey, reading: reader.read(begin(0, idempotencyKey, form)) };
    });
    await eventually('the model speaks', () =>
      pieces === 0
        ? // More, where one was made again.
          service.calls().length >= callsBefore + forms.length
        : begun.some(({ reader }) => reader.textEvents >= pieces),
    );
    return begun.map((each): Begun => {
      const { turnId, form } = each.reader;
      if (turnId === '') return { ...each, second: null };
      const reader = new StreamReader(form);
      return { ...each, second: { reader, reading: reader.read(rejoin(1, { turnId, lastEventId: null, form })) } };
    });
  }

  /** To the end of the turns, with another gateway where one was killed; then all that must hold. */
  async function endTurns(title: string, begun: readonly Begun[]): Promise<void> {
    const rejoined = await Promise.all(
      begun.map(async ({ reader, idempotencyKey, reading }) => {
        await reading;
        if (!reader.isBroken) return false;
        // Whoever has not even got a turn's id sends the same request again.
        await reader.read(reader.turnId === '' ? begin(1, idempotencyKey, reader.form) : rejoin(1, reader));
        return true;
      }),
    );
    const calls = service.calls();
    const rows = await service.ledger.attempts();
    const slowest = begun.map(({ reader }) => reader).toSorted((a, b) => b.longestWaitMs - a.longestWaitMs)[0]!;
    const ids = begun.map(({ reader }) => reader.turnId);
    const made = calls.filter(({ requestId }) => ids.some((id) => requestId?.startsWith(id))).length;
    process.stdout.write(
      `${title}: ${begun.length} turns, ${made} calls, ${rejoined.filter(Boolean).length} re-joined, longest wait for a piece ` +
        `${(slowest.longestWaitMs / 1000).toFixed(1)} s (${await timeoutsOf(service.temporal, `turn/${slowest.turnId}`)})\n`,
    );
    for (const { reader, idempotencyKey, second } of begun) {
      expect(reader.error).toBeNull();
      expect(reader.isDone).toBe(true);
      expect(reader.text).toContain(idempotencyKey);
      expect(reader.text).toBe(await storedAnswer(reader.turnId));
      await second?.reading;
      expect(second?.reader.text ?? reader.text).toBe(reader.text);
      // Whoever joins once it is over gets the same bytes.
      const { turnId, form } = reader;
      const again = new StreamReader(form);
      await again.read(rejoin(1, { turnId, lastEventId: null, form }));
      expect(again.text).toBe(reader.text);
      const found = await service.ledger.requests.find(reader.turnId);
      expect(found?.outcome).toBe('answered');
    }
    expect(disagreements(rows, calls)).toEqual([]);
    expect(new Set(calls.map(({ requestId }) => requestId)).size).toBe(calls.length);
  }

  const moments = Array.from({ length: roundsPerKill }, () => 1 + Math.floor(random() * mostPiecesBeforeKill));

  if (alone.includes('worker')) {
    test.each(moments)(
      'a worker, after %i pieces: another one goes on',
      async (pieces) => {
        const begun = await beginTurns(pieces);
        await workers[0]?.kill();
        const successor = service.addWorker();
        await endTurns(`One of two workers killed after ${pieces} pieces`, begun);
        workers[0] = await successor;
      },
      120_000,
    );
  }

  if (alone.includes('workers')) {
    test.each(moments)(
      'all workers, after %i pieces: one that starts then goes on',
      async (pieces) => {
        const begun = await beginTurns(pieces);
        await Promise.all(workers.map((worker) => worker.kill()));
        workers = await Promise.all([service.addWorker(), service.addWorker()]);
        await endTurns(`All workers killed after ${pieces} pieces`, begun);
      },
      120_000,
    );
  }

  if (alone.includes('gateway')) {
    test.each([0, ...moments])(
      'a gateway, after %i pieces: its callers go on at another one',
      async (pieces) => {
        const begun = await beginTurns(pieces);
        await gateways[0]?.kill();
        await endTurns(`A gateway killed after ${pieces} pieces`, begun);
        gateways[0] = await spawnGateway(service);
      },
      120_000,
    );
  }

  describe.each(redisFates)('Redis, whose data is %s', (fate) => {
    if (alone.includes('redis')) {
      test.each(moments)(
        'after %i pieces: callers notice at most a pause',
        async (pieces) => {
          const begun = await beginTurns(pieces);
          await redis.kill();
          await redis.restart(fate);
          await endTurns(`Redis restarted after ${pieces} pieces, data ${fate}`, begun);
        },
        120_000,
      );
    }

    test.each(moments)(
      'after %i pieces, together with a gateway and all workers',
      async (pieces) => {
        const begun = await beginTurns(pieces);
        await Promise.all([redis.kill(), gateways[0]?.kill(), ...workers.map((worker) => worker.kill())]);
        await redis.restart(fate);
        workers = await Promise.all([service.addWorker(), service.addWorker()]);
        await endTurns(`Redis (data ${fate}), gateway and workers killed after ${pieces} pieces`, begun);
        gateways[0] = await spawnGateway(service);
      },
      120_000,
    );
  });
}
