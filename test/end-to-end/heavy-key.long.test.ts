import { setTimeout as sleep } from 'node:timers/promises';
import { createTestKey, hello } from '../gateway/gateway-service';
import { spawnGateway, type GatewayProcess } from '../support/gateway-process';
import { heaviestRefused, heaviestTaken } from '../support/heavy-requests';
import { prepareService, type Service } from '../support/service';
import { unique } from '../support/temporal';
import { spawnWorker, type WorkerProcess } from '../support/worker-process';

/** Of one key at once: more than any of its own requests would gain by. */
const heavyCallers = 4;
/** Each kind in a session and without one. */
const rounds = 2;
const quietTurns = 15;
const paceMs = 200;

let service: Service;
let gateway: GatewayProcess;
let worker: WorkerProcess;
beforeAll(async () => {
  service = await prepareService();
  worker = spawnWorker(service);
  await worker.started;
  gateway = await spawnGateway(service);
});
afterAll(async () => {
  await gateway.stop();
  await worker.stop();
  await service.stop();
});

interface Timed {
  /** And the error's code: `400 invalid_value`. */
  readonly status: string;
  readonly milliseconds: number;
}

async function post(key: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<Timed> {
  const startedAtMs = performance.now();
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
  });
  const { error } = (await response.json()) as { readonly error?: { readonly code: string } };
  const status = error === undefined ? `${response.status}` : `${response.status} ${error.code}`;
  return { status, milliseconds: performance.now() - startedAtMs };
}

const refusals = ['400 invalid_value', '400 invalid_json', '429 rate_limit_exceeded'];
/** One message may be too long for a session, or for a model; what a megabyte may cost at worst is soon more than a budget. */
const outcomes = [
  '200',
  '400 invalid_value',
  '400 context_length_exceeded',
  '402 insufficient_quota',
  '429 rate_limit_exceeded',
];
/** Sooner than OpenAI's clients try again what was refused for its number. */
const pauseAfterRefusalMs = 250;

const bodyOf = (request: object): string => JSON.stringify({ model: 'bellwether', ...request });
const quantileOf = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? 0;
const isLimited = (status: string): boolean => status.startsWith('429');
const medianOf = (values: readonly number[]): number => quantileOf(values, 0.5);

test('a key that sends the heaviest requests ends no worker, and the turns of another key are answered meanwhile', async () => {
  const [heavyKey, otherKey] = [
    // The limits that every key has would refuse most of them.
    await createTestKey(service, { requestsPerMinute: 6_000 }),
    await createTestKey(service, { requestsPerMinute: 100_000 }),
  ];
  const turn = () => post(otherKey, bodyOf(hello));
  const quiet: Timed[] = [];
  for (let index = 0; index < quietTurns + 5; index += 1) quiet.push(await turn());

  const taken = Object.entries(heaviestTaken).map(([name, request]) => ({ name, body: bodyOf(request), takes: true }));
  const refused = Object.entries(heaviestRefused).map(([name, request]) => ({
    name,
    body: bodyOf(request),
    takes: false,
  }));
  const kinds = [...taken, ...refused];
  const results = new Map<string, Timed[]>();
  let next = 0;
  const isOver = () => next >= rounds * kinds.length;
  const heavyCaller = async (): Promise<void> => {
    while (!isOver()) {
      const index = next++;
      const { name, body } = kinds[index % kinds.length]!;
      const inSession = Math.floor(index / kinds.length) % 2 === 1;
      const timed = await post(heavyKey, body, inSession ? { 'x-bellwether-session': unique('heavy') } : {});
      results.set(name, [...(results.get(name) ?? []), timed]);
      if (isLimited(timed.status)) await sleep(pauseAfterRefusalMs);
    }
  };
  const meanwhile: Timed[] = [];
  const ended = new AbortController();
  const heavy = Promise.all(Array.from({ length: heavyCallers }, heavyCaller)).finally(() => ended.abort());
  // At a steady pace, whatever the last one takes: slow moments are to count as often as quick ones.
  const turns: Promise<unknown>[] = [];
  while (!ended.signal.aborted) {
    turns.push(turn().then((timed) => meanwhile.push(timed)));
    await sleep(paceMs);
  }
  await heavy;
  await Promise.all(turns);

  /** Those that were met, when all of them are among `expected`. */
  const expectedOf = (name: string, expected: readonly string[]) =>
    statuses(name).filter((status) => expected.includes(status));
  const statuses = (name: string) => [...new Set(results.get(name)?.map(({ status }) => status))];
  const quietMs = medianOf(quiet.slice(5).map(({ milliseconds }) => milliseconds));
  const waits = meanwhile.map(({ milliseconds }) => milliseconds);
  const [medianMs = 0, mostMs = 0, longestMs = 0] = [0.5, 0.9, 1 - 1 / waits.length].map((part) =>
    quantileOf(waits, part),
  );
  const lines = kinds.map(({ name }) => {
    const times = results.get(name)?.map(({ milliseconds }) => milliseconds) ?? [];
    const longest = Math.max(0, ...times).toFixed(0);
    return `  ${name}: ${statuses(name).join('/')}, ${times.length} times, median ${medianOf(times).toFixed(0)} ms, longest ${longest} ms`;
  });
  process.stdout.write(
    `Heavy key: ${next} requests; the other key's median turn ${quietMs.toFixed(0)} ms alone, ${medianMs.toFixed(0)} ms meanwhile (${waits.length} turns, 9 of 10 in ${mostMs.toFixed(0)} ms, the longest ${longestMs.toFixed(0)} ms)\n${lines.join('\n')}\n`,
  );
  // A kind of which all were refused for their number has shown nothing.
  expect(kinds.filter(({ name }) => statuses(name).every(isLimited))).toEqual([]);
  for (const { name } of refused) expect([name, ...statuses(name)]).toEqual([name, ...expectedOf(name, refusals)]);
  for (const { name } of taken) expect([name, ...statuses(name)]).toEqual([name, ...expectedOf(name, outcomes)]);
  expect(new Set([...quiet, ...meanwhile].map(({ status }) => status))).toEqual(new Set(['200']));
  // Nothing starts another worker.
  await expect(turn()).resolves.toMatchObject({ status: '200' });
}, 600_000);
