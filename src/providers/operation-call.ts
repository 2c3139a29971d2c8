/** Calls for embeddings and moderations, as OpenAI describes them. */
import { z } from 'zod';
import type { Operation } from '../contract/operations';
import type { OperationRequest } from '../contract/provider';
import { fieldsOf } from '../domain/fields-of';
import type { ExchangeRequest } from './exchange';
import type { Answer } from './read-completion';
import { readUsage, usageIn } from './reported-usage';

export function operationCall(request: OperationRequest, basePath: string): ExchangeRequest {
  const { operation, model, options, requestId, traceparent, timeoutMs, signal } = request;
  // Vectors as base64 take a quarter of the bytes that they take as decimal numbers, and are exact.
  const encoding = operation === 'embeddings' ? { encoding_format: 'base64' } : {};
  return {
    method: 'POST',
    path: `${basePath}/${operation}`,
    headers: {
      'content-type': 'application/json',
      'x-request-id': requestId,
      ...(traceparent !== undefined && { traceparent }),
    },
    body: JSON.stringify({ ...options, model, ...encoding }),
    timeoutMs,
    ...(signal && { signal }),
  };
}

/** A printable name that every database accepts. */
const modelName = z.string().regex(/^[^\p{C}]{1,200}$/u);
const named = z.object({ model: modelName.nullish().catch(null) });

const base64 = z.string().regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/);
const vector = z.union([base64, z.array(z.number()).min(1)]);
const vectorsSchema = z.object({ data: z.array(z.object({ index: z.int().min(0), embedding: vector })) });
const resultsSchema = z.object({ results: z.array(z.looseObject({ flagged: z.boolean() })).min(1) });

/** null: the body is not what was asked for, such as one vector too few. */
export function readOperation(body: unknown, { operation, model, options }: OperationRequest): Answer | null {
  const content = readers[operation](body, countOf(options['input']));
  if (content === null) return null;
  const usage = readUsage(usageIn(body));
  return {
    content,
    model: named.safeParse(body).data?.model ?? model,
    finishReason: null,
    // There are no completion tokens, and some providers do not say so.
    usage: usage && { ...usage, completionTokens: 0, totalTokens: usage.promptTokens },
  };
}

type Reader = (body: unknown, expected: number) => string | null;

const readers: Readonly<Record<Operation, Reader>> = {
  embeddings: readVectors,
  moderations: (body, expected) => {
    const results = resultsSchema.safeParse(body).data?.results;
    return results?.length === expected ? JSON.stringify(results) : null;
  },
};

/** The vectors in the order of their inputs, each in base64, with spaces between them. */
function readVectors(body: unknown, expected: number): string | null {
  const data = vectorsSchema.safeParse(body).data?.data ?? [];
  const inOrder = data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => inBase64(embedding));
  const isWhole = data.length === expected && new Set(data.map(({ index }) => index)).size === expected;
  const bytes = new Set(inOrder.map((each) => Buffer.byteLength(each, 'base64')));
  const [length = 0] = bytes;
  return isWhole && bytes.size === 1 && length > 0 && length % Float32Array.BYTES_PER_ELEMENT === 0
    ? inOrder.join(' ')
    : null;
}

/** Some providers do not know `encoding_format`. */
function inBase64(embedding: z.output<typeof vector>): string {
  if (typeof embedding === 'string') return embedding;
  const bytes = Buffer.alloc(embedding.length * Float32Array.BYTES_PER_ELEMENT);
  for (const [index, value] of embedding.entries()) {
    bytes.writeFloatLE(value, index * Float32Array.BYTES_PER_ELEMENT);
  }
  return bytes.toString('base64');
}

/** A list of numbers is the tokens of one input. */
function countOf(input: unknown): number {
  return Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1;
}

/** What a provider's message must not quote. */
export function textsOfInput({ options }: OperationRequest): readonly string[] {
  const inputs = [options['input']].flat() as readonly unknown[];
  return inputs.flatMap((input) => [input, fieldsOf(input)['text']]).filter((text) => typeof text === 'string');
}
