import { randomUUID } from 'node:crypto';
import { Agent } from 'undici';
import type { MemoryUse } from '../live-with-parent';
import { runCallers } from '../run-callers';
import { completionBody, firstText, post } from './http-caller';
import type { GatewayWay } from './way';

/** What one program holds, at rest and with streams open. */
export interface MemoryRow {
  readonly way: string;
  readonly title: string;
  /** Such as `gateway`. */
  readonly program: string;
  readonly openStreams: number;
  readonly atRest: MemoryUse;
  readonly withStreams: MemoryUse;
}

/** Streams are opened by so many at a time, each waiting for its first text. */
const openers = 64;

/** The first streams end after 100 s; all that could be opened until then are enough to divide by. */
const openingSeconds = 60;

/** The first text stands in the first kilobyte. */
const maxBeginning = 4_096;

/** Opens `count` streams that stay open, and measures the way's programs before and meanwhile. */
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

/** Resolves with the first text; what comes later is read and thrown away. */
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
