import { z } from 'zod';
import { turnFactsSchema } from './completion';

export const errorFieldsSchema = z.object({
  message: z.string(),
  type: z.string(),
  param: z.string().nullable().describe('The field of the request that is wrong.'),
  code: z.string().describe('Stable, for programs.'),
  degraded_reply: z
    .string()
    .optional()
    .describe('Of a turn that no model answered: a text that can be shown to its user.'),
  bellwether: turnFactsSchema.optional(),
});

const errorSchema = z.object({ error: errorFieldsSchema });

const describe = (description: string) => ({ description, content: { 'application/json': { schema: errorSchema } } });

/** What every route behind a key can answer besides. */
export const describedErrors = {
  '4xx': describe('The request cannot be answered as it is.'),
  '5xx': describe('Something behind the gateway failed.'),
};
