import { z } from 'zod';
import { limits } from '../../contract/limits';
import { requirePermission } from '../access';
import { ignoredFields } from '../chat-request';
import type { GatewayContext } from '../context';
import { describeErrors, errorsOfRequests, errorsOfTurns } from '../error-schema';
import { badRequest } from '../gateway-error';
import type { GatewayServer } from '../server';
import { traceTurn } from '../trace-turns';
import { requestFacts, requestFactsSchema } from './answer-facts';
import { beginRequest, offeredFor } from './begin-request';
import { requestHeadersSchema } from './request-headers';

/** A result has some 2 KB of scores, and all of one request must fit one result of Temporal. */
const maxTexts = 256;

const requestSchema = z.object({
  model: z
    .string()
    .min(1)
    .max(limits.maxModelLength)
    .nullish()
    .describe('The first configured one that the key may use unless given.'),
  input: z.union(
    [z.string().min(1), z.array(z.string().min(1)).min(1).max(maxTexts)],
    `must be a text or a list of at most ${maxTexts} texts, none of them empty; pictures are not offered`,
  ),
  user: z.string().nullish(),
});

const answerSchema = z.object({
  id: z.string(),
  model: z.string(),
  results: z.array(z.looseObject({ flagged: z.boolean() })),
  bellwether: requestFactsSchema,
});

/** `POST /v1/moderations`. */
export function moderationsRoute(server: GatewayServer, context: GatewayContext): void {
  server.post(
    '/v1/moderations',
    {
      onRequest: [requirePermission('send-turns'), traceTurn(context)],
      preValidation: async ({ body }, reply) => {
        const ignored = ignoredFields(body, requestSchema.shape);
        if (ignored.length > 0) reply.header('x-bellwether-ignored', ignored.join(', '));
      },
      schema: {
        summary: 'Whether texts are harmful',
        headers: requestHeadersSchema,
        body: requestSchema,
        response: {
          200: { description: 'A result for each text.', content: { 'application/json': { schema: answerSchema } } },
          ...describeErrors(...errorsOfRequests, ...errorsOfTurns),
        },
      },
    },
    async (request, reply) => {
      const { body } = request;
      const model = body.model ?? context.models.firstOffered('moderations', request.apiKey);
      if (model === undefined)
        throw badRequest('model is missing, and no model for moderations is configured.', 'model');
      const offered = offeredFor(context, 'moderations', model, request);
      const parts = [{ input: body.input }];
      const begun = beginRequest(context, request, { operation: 'moderations', offered, body, user: body.user, parts });
      request.open.keepUntil(begun.then(({ end }) => end));
      const { turnId, end } = await begun;
      reply.header('x-bellwether-turn-id', turnId);
      const ended = await end;
      if ('error' in ended) throw ended.error;
      const { replies } = ended;
      const [{ model: answeredBy, content }] = replies;
      return {
        id: `modr-${turnId}`,
        model: answeredBy ?? model,
        results: JSON.parse(content) as z.output<typeof answerSchema>['results'],
        bellwether: requestFacts(replies),
      };
    },
  );
}
