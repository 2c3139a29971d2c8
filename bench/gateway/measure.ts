import { randomUUID } from 'node:crypto';
import { Agent, type Dispatcher } from 'undici';
import { cpuTimeMs, type MemoryUse } from '../processes';
import { ProviderLog } from '../provider-log';
import { type Limit, runCallers } from '../run-rounds';
import type { GatewayStage } from './stage';
import { type AnswerDelivery, type GatewayWay, type MeasuredProcess, measuredProcesses } from './way';

/** One way with one number of callers in one round. */
export interface GatewayMeasurement {
  readonly turns: number;
  readonly elapsedMs: number;
  /** For each stream: the time to its first text minus the provider's own; empty for plain answers. */
  readonly firstTokenOverheadsMs: readonly number[];
  /** For each turn: the time to its whole answer minus the provider's own. */
  readonly wholeOverheadsMs: readonly number[];
  /** By process, for all turns together; 0 where a way has no such process. */
  readonly cpuMs: Readonly<Record<MeasuredProcess, number>>;
  /** Of processes that serve only other ways. */
  readonly idleCpuMs: number;
  /** Calls in the provider's log beyond one per turn. */
  readonly extraCalls: number;
}

export async function measureGateway(
  { simulator, pids }: GatewayStage,
  way: GatewayWay,
  callers: readonly HttpCaller[],
  limit: Limit,
  spreadMs: number,
): Promise<GatewayMeasurement> {
  await simulator.clearCalls();
  const cpuBefore = readCpu(pids, way);
  const { turns, elapsedMs } = await runCallers(callers, limit, spreadMs);
  const cpuAfter = readCpu(pids, way);

  const log = new ProviderLog(await simulator.calls());
  const cpuMs = Object.fromEntries(
    measuredProcesses.map((name) => [name, cpuAfter.of[name] - cpuBefore.of[name]]),
  ) as Record<MeasuredProcess, number>;
  return {
    turns: turns.length,
    elapsedMs,
    firstTokenOverheadsMs: turns.flatMap(({ turnId, firstTokenMs }) => {
      const providersMs = log.timesOf(turnId).firstTokenMs;
      return firstTokenMs === null || providersMs === null ? [] : [firstTokenMs - providersMs];
    }),
    wholeOverheadsMs: turns.map(({ turnId, wholeMs }) => wholeMs - log.timesOf(turnId).wholeMs),
    cpuMs,
    idleCpuMs: cpuAfter.idle - cpuBefore.idle,
    extraCalls: log.extraCalls,
  };
}

function readCpu(pids: readonly number[], way: GatewayWay) {
  const of = Object.fromEntries(
    measuredProcesses.map((name) => [name, way.pids[name] === undefined ? 0 : cpuTimeMs(way.pids[name])]),
  ) as Record<MeasuredProcess, number>;
  const own = new Set(Object.values(way.pids));
  const idle = pids.filter((pid) => !own.has(pid)).reduce((sum, pid) => sum + cpuTimeMs(pid), 0);
  return { of, idle };
}

interface HttpTurn {
  readonly turnId: string;
  /** To the first text of a stream; null for a plain answer. */
  readonly firstTokenMs: number | null;
  readonly wholeMs: number;
}

interface CallerOptions {
  readonly dispatcher: Dispatcher;
  readonly way: GatewayWay;
  readonly delivery: AnswerDelivery;
  readonly question: string;
}

/** The first delta of a stream contains an empty text. */
const firstText = /"content":"[^"]/;

/** Does what every OpenAI client does and little more: the caller's own time counts equally in all ways. */
export class HttpCaller {
  private readonly url: string;
  private readonly body: string;

  constructor(private readonly options: CallerOptions) {
    const { way, delivery, question } = options;
    const { baseUrl, models } = way.endpoint;
    this.url = `${baseUrl}/chat/completions`;
    this.body = completionBody(models[delivery], question, delivery === 'streamed');
  }

  async turn(): Promise<HttpTurn> {
    const { dispatcher, way, delivery } = this.options;
    const ownId = randomUUID();
    const startedAtMs = performance.now();
    const response = await post(dispatcher, this.url, this.body, way.endpoint.apiKey, `${ownId}.1`);
    let answer = '';
    let firstTokenMs: number | null = null;
    for await (const chunk of response.body.setEncoding('utf8') as AsyncIterable<string>) {
      answer += chunk;
      if (delivery === 'streamed' && firstTokenMs === null && firstText.test(answer)) {
        firstTokenMs = performance.now() - startedAtMs;
      }
    }
    const wholeMs = performance.now() - startedAtMs;
    const isWhole = delivery === 'streamed' ? answer.endsWith('data: [DONE]\n\n') : firstText.test(answer);
    if (response.statusCode !== 200 || !isWhole) {
      throw new Error(`${way.title} gave no whole answer, so the figures would be wrong: ${answer.slice(-500)}`);
    }
    const turnId = response.headers['x-bellwether-turn-id'];
    return { turnId: typeof turnId === 'string' ? turnId : ownId, firstTokenMs, wholeMs };
  }
}

function completionBody(model: string, question: string, stream: boolean): string {
  return JSON.stringify({ model, messages: [{ role: 'user', content: question }], stream });
}

function post(
  dispatcher: Dispatcher,
  url: string,
  body: string,
  apiKey: string,
  requestId: string,
): Promise<Dispatcher.ResponseData> {
  const { origin, pathname } = new URL(url);
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${apiKey}`,
    'x-request-id': requestId,
  };
  return dispatcher.request({ origin, path: pathname, method: 'POST', headers, body });
}

/** The memory of one program, at rest and with open streams. */
export interface MemoryRow {
  readonly way: string;
  readonly title: string;
  /** Such as `gateway`. */
  readonly program: string;
  readonly openStreams: number;
  readonly atRest: MemoryUse;
  readonly withStreams: MemoryUse;
}

/** How many streams are opened at a time, each waiting for its first text. */
const openers = 64;

/** The first streams end after 100 s. Those opened within this time are enough for an average. */
const openingSeconds = 60;

/** The first text is in the first kilobyte. */
const maxBeginning = 4_096;

/** Measures the memory of the way's programs before and after opening `count` streams that stay open. */
export async function measureOpenStreams(way: GatewayWay, question: string, count: number): Promise<MemoryRow[]> {
  const dispatcher = new Agent({ bodyTimeout: 0 });
  try {
    const atRest = await memoryOf(way);
    const opener = { turn: () => openStream(way, question, dispatcher) };
    const limit = { seconds: openingSeconds, turns: count };
    const { turns: ends } = await runCallers(
      Array.from({ length: openers }, () => opener),
      limit,
      0,
    );
    const withStreams = await memoryOf(way);
    const openStreams = ends.filter(({ hasEnded }) => !hasEnded()).length;
    return withStreams.map(({ program, use }, index) => ({
      way: way.name,
      title: way.title,
      program,
      openStreams,
      atRest: atRest[index]?.use ?? use,
      withStreams: use,
    }));
  } finally {
    await dispatcher.destroy();
  }
}

async function memoryOf({ programs }: GatewayWay) {
  const uses: { readonly program: string; readonly use: MemoryUse }[] = [];
  for (const [program, child] of Object.entries(programs)) uses.push({ program, use: await child.memory() });
  return uses;
}

/** Resolves at the first text; later text is read and discarded. */
async function openStream({ endpoint, title }: GatewayWay, question: string, dispatcher: Agent) {
  const url = `${endpoint.baseUrl}/chat/completions`;
  const body = completionBody(endpoint.models.long, question, true);
  const response = await post(dispatcher, url, body, endpoint.apiKey, randomUUID());
  const stream = response.body.setEncoding('utf8');
  let hasEnded = false;
  await new Promise<void>((resolve, reject) => {
    let beginning = '';
    stream.on('data', (text: string) => {
      if (beginning.length < maxBeginning) beginning += text;
      if (firstText.test(beginning)) resolve();
    });
    stream.on('error', reject);
    stream.on('close', () => {
      hasEnded = true;
      reject(new Error(`${title}: a stream ended before its first text: ${beginning.slice(-500)}`));
    });
  });
  return { hasEnded: () => hasEnded };
}
