import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { CallLog } from './call-log';
import { refuse } from './chat-completions';
import { sendJson } from './faults';
import { countTokens } from './tokens';

const tokens = z.array(z.int());
const callSchema = z.object({
  model: z.string(),
  input: z.union([z.string(), z.array(z.string()), tokens, z.array(tokens)]),
  encoding_format: z.enum(['float', 'base64']).default('float'),
  dimensions: z.int().min(1).max(3_072).default(1_536),
});

/** Handles `POST /embeddings`: for every model, a vector of length 1 that depends on nothing but the input. */
export function serveEmbeddings(log: CallLog, request: IncomingMessage, response: ServerResponse, body: string): void {
  const call = callSchema.safeParse(parsed(body)).data;
  if (call === undefined) {
    refuse(log, request, response, null, { kind: 'status', status: 400, message: 'model or input cannot be read.' });
    return;
  }
  const { model, input, encoding_format, dimensions } = call;
  const inputs = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input];
  const promptTokens = inputs.reduce<number>((sum, each) => sum + countOf(each), 0);
  const requestId = request.headers['x-request-id'];
  const start = { requestId: typeof requestId === 'string' ? requestId : null, model, fault: null };
  const logged = log.begin({ ...start, promptTokens, completionTokens: 0 });
  const data = inputs.map((each, index) => {
    const vector = vectorOf(JSON.stringify(each), dimensions);
    const embedding = encoding_format === 'float' ? [...vector] : Buffer.from(vector.buffer).toString('base64');
    return { object: 'embedding', index, embedding };
  });
  const usage = { prompt_tokens: promptTokens, total_tokens: promptTokens };
  log.end(logged, { outcome: 'answered', status: 200, charged: true });
  sendJson(response, 200, { object: 'list', data, model, usage });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function countOf(input: unknown): number {
  return typeof input === 'string' ? countTokens(input) : (input as readonly unknown[]).length;
}

function vectorOf(text: string, dimensions: number): Float32Array {
  const bytes = createHash('shake256', { outputLength: dimensions * 2 })
    .update(text)
    .digest();
  const values = Array.from({ length: dimensions }, (_, index) => bytes.readInt16LE(index * 2));
  const length = Math.hypot(...values) || 1;
  return new Float32Array(values.map((value) => value / length));
}
