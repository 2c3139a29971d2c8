import { once } from 'node:events';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { limits } from '../../contract/limits';
import type { OfferedModel } from '../../contract/operations';
import { requirePermission } from '../access';
import { ignoredFields } from '../chat-request';
import type { GatewayContext } from '../context';
import { describeErrors, errorsOfRequests, errorsOfTurns } from '../error-schema';
import { badRequest } from '../gateway-error';
import type { GatewayServer } from '../server';
import { traceTurn } from '../trace-turns';
import { promptTokensOf, requestFacts, requestFactsSchema } from './answer-facts';
import { beginRequest, offeredFor, type RequestEnd } from './begin-request';
import { requestHeadersSchema } from './request-headers';
import { maxInputs, maxNumbers, VectorRoom, vectorsPerTurn, writtenVectors } from './vectors';

const text = z.string().min(1);
const tokens = z.array(z.int().min(0)).min(1);

const requestSchema = z.object({
  model: z.string().min(1).max(limits.maxModelLength),
  input: z
    .union(
      [text, z.array(text).min(1), tokens, z.array(tokens).min(1)],
      'must be a text, a list of texts, a list of token ids, or a list of lists of token ids, none of them empty',
    )
    .describe('A list of token ids is one input.'),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
  user: z.string().nullish().describe('The end user, by whom costs can be listed. Goes to no provider.'),
  input_type: z.string().nullish().describe('For models that tell documents from queries. Goes to the provider.'),
  truncate: z.string().nullish().describe('For providers that shorten long inputs. Goes to the provider.'),
});

type EmbeddingsRequest = z.output<typeof requestSchema>;

const answerSchema = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      object: z.literal('embedding'),
      index: z.int(),
      embedding: z.union([z.array(z.number()), z.string()]).describe('With encoding_format base64, float32 in base64.'),
    }),
  ),
  model: z.string(),
  usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
  bellwether: requestFactsSchema,
});

/** `POST /v1/embeddings`. */
export function embeddingsRoute(server: GatewayServer, context: GatewayContext): void {
  const room = new VectorRoom();
  server.post(
    '/v1/embeddings',
    {
      onRequest: [requirePermission('send-turns'), traceTurn(context)],
      preValidation: async ({ body }, reply) => {
        const ignored = ignoredFields(body, requestSchema.shape);
        if (ignored.length > 0) reply.header('x-bellwether-ignored', ignored.join(', '));
      },
      schema: {
        summary: 'Vectors for texts',
        headers: requestHeadersSchema,
        body: requestSchema,
        response: {
          200: { description: 'A vector for each input.', content: { 'application/json': { schema: answerSchema } } },
          ...describeErrors(...errorsOfRequests, ...errorsOfTurns),
        },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const offered = offeredFor(context, 'embeddings', body.model, request);
      const inputs = inputsOf(body);
      const dimensions = dimensionsOf(body, offered, inputs.length);
      const giveBack = room.take(inputs.length * dimensions);
      const closed = reply.raw.destroyed ? null : once(reply.raw, 'close');
      const parts = partsOf(body, inputs, vectorsPerTurn(dimensions));
      const begun = beginRequest(context, request, { operation: 'embeddings', offered, body, user: body.user, parts });
      const over = begun.then(({ end: ending }) => ending);
      request.open.keepUntil(over);
      // Turns go on when their client has left, and their vectors arrive all the same.
      void Promise.allSettled([closed, over]).then(giveBack);
      const { turnId, end } = await begun;
      reply.header('x-bellwether-turn-id', turnId);
      const ended = await end;
      if ('error' in ended) throw ended.error;
      const pieces = answerPieces(ended, offered.model, body.encoding_format ?? 'float');
      return reply.type('application/json; charset=utf-8').send(Readable.from(pieces, { objectMode: false }));
    },
  );
}

type Inputs = readonly (string | readonly number[])[];

/** A list of numbers is one input. */
function inputsOf({ input }: EmbeddingsRequest): Inputs {
  if (typeof input === 'string') return [input];
  return typeof input[0] === 'number' ? [input as readonly number[]] : (input as Inputs);
}

function dimensionsOf(
  { dimensions }: EmbeddingsRequest,
  { model, maxDimensions }: OfferedModel,
  count: number,
): number {
  if (count > maxInputs) {
    throw badRequest(`input has ${count} entries, the limit is ${maxInputs}: split it into several requests.`, 'input');
  }
  if (typeof dimensions === 'number' && dimensions > maxDimensions) {
    throw badRequest(`dimensions is ${dimensions}; vectors of ${model} have ${maxDimensions} at most.`, 'dimensions');
  }
  const length = dimensions ?? maxDimensions;
  const limit = Math.floor(maxNumbers / length);
  if (count > limit) {
    throw badRequest(
      `input has ${count} entries; with ${length} numbers in each vector the limit is ${limit}: split it into several requests, or ask for fewer dimensions.`,
      'input',
    );
  }
  return length;
}

/** A single input stays as it came: some servers know no lists of lists. */
function partsOf(body: EmbeddingsRequest, inputs: Inputs, perTurn: number) {
  const { dimensions, input_type, truncate } = body;
  const options = Object.fromEntries(
    Object.entries({ dimensions, input_type, truncate }).filter(([, value]) => (value ?? null) !== null),
  );
  if (inputs.length <= perTurn) return [{ ...options, input: body.input }];
  return Array.from({ length: Math.ceil(inputs.length / perTurn) }, (_, index) => ({
    ...options,
    input: inputs.slice(index * perTurn, (index + 1) * perTurn),
  }));
}

/** Vector by vector, because as decimal numbers they take five times the memory. */
function* answerPieces(
  { replies }: Extract<RequestEnd, { readonly replies: unknown }>,
  offeredAs: string,
  format: 'float' | 'base64',
): Generator<string> {
  let index = 0;
  yield '{"object":"list","data":[';
  for (const reply of replies) {
    for (const embedding of writtenVectors(reply, format)) {
      yield `${index === 0 ? '' : ','}{"object":"embedding","index":${index},"embedding":${embedding}}`;
      index += 1;
    }
  }
  const tokenCount = promptTokensOf(replies);
  const usage = { prompt_tokens: tokenCount, total_tokens: tokenCount };
  const rest = { model: replies[0].model ?? offeredAs, usage, bellwether: requestFacts(replies) };
  yield `],${JSON.stringify(rest).slice(1)}`;
}
