import { readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { eventually } from '../../support/eventually';
import { prepareService, type Service } from '../../support/service';
import { spawnWorker, type WorkerProcess } from '../../support/worker-process';
import { createTestKey, hello } from '../gateway-service';
import { answersIn, exchange } from '../raw-answers';
import { type GatewayHoldings, type GatewayProcess, startGatewayProcess } from './gateway-process';
import { editedRequest } from './raw-bytes';
import { type FuzzedRequest, fuzzedRequest } from './requests';
import { sizedRequest } from './sizes';
import { flawOf, send } from './send';

export interface FuzzCounts {
  /** Before anything is measured: code is compiled, caches and pools fill, once. */
  readonly warmUpCount: number;
  readonly requestCount: number;
  /** Of every size, up to the largest that is taken. */
  readonly sizedCount: number;
  /** Each needs a connection of its own. */
  readonly rawCount: number;
}

/** The same requests each time: others are tried on purpose, with `BELLWETHER_FUZZ_SEED`, and not by whoever changes something. */
const seed = Number(process.env['BELLWETHER_FUZZ_SEED'] ?? 4711);
/** At once: enough to meet in the gateway, few enough for two cores. */
const batchSize = 40;
/** Of large ones: a worker takes a fraction of a second for each. */
const sizedBatchSize = 4;
/** Of CPU time: a tenth of what ends a worker. */
const longestActivationMs = 500;

/**
 * Less than one forgotten listener or promise with what it holds. What no request holds (compiled code, the histogram's
 * buckets) came to a fifth of it at most for 10,000 requests; among fewer that would be most of what there is.
 */
const allowedGrowthBytesEach = 200;
const fewestMeasured = 10_000;

let service: Service;
let worker: WorkerProcess | undefined;
let activations: string;
let gateway: GatewayProcess | undefined;
let url: string;
let key: string;
beforeAll(async () => {
  service = await prepareService({
    configuration: {
      gateway: { requestsPerMinute: 1_000_000 },
      // What a megabyte may cost at worst would soon be more than a day's budget, and be refused for that alone.
      budgets: { sessionUsd: 1_000, dayUsd: 1_000_000 },
    },
  });
  gateway = await startGatewayProcess(service.environment);
  ({ url } = gateway);
  activations = join(service.directory, 'activations');
  writeFileSync(activations, '');
  const environment = { ...service.environment, BELLWETHER_TEST_ACTIVATIONS: activations };
  worker = spawnWorker({ ...service, environment }, [join(__dirname, '../../support/timed-activations.js')]);
  await worker.started;
  key = await createTestKey(service);
});
afterAll(async () => {
  await gateway?.stop();
  await worker?.stop();
  await service.stop();
});

async function holdings(): Promise<GatewayHoldings> {
  if (gateway === undefined) throw new Error('The gateway did not start.');
  return gateway.holdings();
}

const statuses = new Set<number>();

async function flawOfAnswerTo(request: FuzzedRequest, agent: Agent): Promise<string | null> {
  try {
    const answer = await send(agent, url, request);
    statuses.add(answer.status);
    return flawOf(answer, request);
  } catch (error) {
    // Refused for its headers before its method was known, so with a body, which the client of a HEAD does not expect.
    if (request.method === 'HEAD' && (error as { code?: string }).code === 'HPE_CLOSED_CONNECTION') return null;
    return `no answer: ${String(error)}`;
  }
}

/** A client may end its connection before it is answered; what comes must be right. */
async function flawOfAnswersTo(said: string): Promise<string | null> {
  try {
    const answers = answersIn(await exchange(url, (socket) => socket.end(said, 'latin1')));
    return answers.map((answer) => flawOf(answer, { method: 'GET' })).find((flaw) => flaw !== null) ?? null;
  } catch (error) {
    return `no answer: ${String(error)}`;
  }
}

/** Sends so many in batches, and fails with those that were answered wrongly and with what the gateway logged then. */
async function sendAll<Sent>(
  arbitrary: fc.Arbitrary<Sent>,
  count: number,
  flawOfSent: (sent: Sent) => Promise<string | null>,
  atOnce = batchSize,
): Promise<void> {
  const batch = fc.array(arbitrary, { minLength: atOnce, maxLength: atOnce });
  await fc.assert(
    fc.asyncProperty(batch, async (all) => {
      const flaws = await Promise.all(all.map(flawOfSent));
      const wrong = all.map((sent, index) => ({ flaw: flaws[index], sent })).filter(({ flaw }) => flaw !== null);
      const logged = wrong.length > 0 ? (await holdings()).errors : [];
      expect({ wrong, logged }).toEqual({ wrong: [], logged: [] });
    }),
    // The wrong ones are named, one by one: nothing is to be found by sending ever smaller batches.
    { numRuns: Math.ceil(count / atOnce), endOnFailure: true, seed },
  );
}

async function fuzz(count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: batchSize });
  try {
    await sendAll(fuzzedRequest(key), count, (request) => flawOfAnswerTo(request, agent));
  } finally {
    agent.destroy();
  }
}

/** No answer is a 5xx, and no activation keeps a worker's thread for long. */
async function fuzzSizes(count: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: sizedBatchSize });
  const answers: Record<number, number> = {};
  try {
    const flawOfSized = async (request: FuzzedRequest): Promise<string | null> => {
      const answer = await send(agent, url, request);
      answers[answer.status] = (answers[answer.status] ?? 0) + 1;
      return flawOf(answer, request);
    };
    await sendAll(sizedRequest(key), count, flawOfSized, sizedBatchSize);
  } finally {
    agent.destroy();
  }
  const longest = Math.max(...readFileSync(activations, 'utf8').trim().split('\n').map(Number));
  process.stdout.write(
    `${count} requests of every size: ${JSON.stringify(answers)}; the longest activation took ${longest.toFixed(0)} ms of CPU time\n`,
  );
  expect(answers[200]).toBeGreaterThan(0);
  expect(longest).toBeGreaterThan(0);
  expect(longest).toBeLessThan(longestActivationMs);
}

/** What it holds once the last connection is gone. */
async function settled(isSettled: (held: GatewayHoldings) => boolean): Promise<GatewayHoldings> {
  let held = await holdings();
  await eventually('the gateway holds no more than before', async () => {
    held = await holdings();
    return isSettled(held);
  });
  return held;
}

/** Whatever comes is answered, or refused in the shape of every error, and nothing of it stays. */
export async function fuzzGateway({ warmUpCount, requestCount, sizedCount, rawCount }: FuzzCounts): Promise<void> {
  await fuzz(warmUpCount);
  const before = await settled(({ resources }) => resources['TCPSocketWrap'] === undefined);

  await fuzz(requestCount);
  await sendAll(editedRequest(key), rawCount, flawOfAnswersTo);
  await fuzzSizes(sizedCount);

  const after = await settled(({ resources }) =>
    Object.entries(resources).every(([kind, count]) => count <= (before.resources[kind] ?? 0)),
  );
  if (requestCount >= fewestMeasured) {
    expect(after.heapBytes - before.heapBytes).toBeLessThan(allowedGrowthBytesEach * requestCount);
  }
  expect(after).toMatchObject({ warnings: [], errors: [] });
  // It was not refused at the door, all of it.
  expect([...statuses]).toEqual(expect.arrayContaining([200, 400, 401, 404, 405, 415]));

  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(hello),
  });
  expect(answer.status).toBe(200);
}
