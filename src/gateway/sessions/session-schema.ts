/** Sessions as HTTP shows them. */
import { z } from 'zod';
import type { ApiKey } from '../../contract/api-keys';
import { type KeySession, sessionStates } from '../../contract/sessions';
import { toUsd } from '../../domain/turn/prices';
import { sessionNameOf } from './session-id';

export const sessionSchema = z.object({
  id: z
    .string()
    .describe('The name that its turns were sent with, or what stands for a name that is hidden or is no id.'),
  object: z.literal('bellwether.session'),
  created: z.int().describe('Of its first message, in seconds since 1970.'),
  last_activity: z.int().describe('Of its last message, in seconds since 1970.'),
  state: z
    .enum(sessionStates)
    .describe('`handed_over`: a person answers. `open` also when its memory has ended, a day after its last message.'),
  turns: z.int().describe('Messages that were taken for it.'),
  cost_usd: z.number().describe('What it has cost, with the worst case of calls whose outcome is unknown.'),
});

export function toSession(session: KeySession, reader: ApiKey): z.output<typeof sessionSchema> {
  const { createdAtMs, lastAtMs, state, turns, spentNanoUsd } = session;
  return {
    id: sessionNameOf(session, reader),
    object: 'bellwether.session',
    created: Math.floor(createdAtMs / 1000),
    last_activity: Math.floor(lastAtMs / 1000),
    state,
    turns,
    cost_usd: toUsd(spentNanoUsd),
  };
}

export const sessionListSchema = z.object({
  object: z.literal('list'),
  data: z.array(sessionSchema),
  has_more: z.boolean().describe('Whether there is another page: after the last `id` of this one.'),
});
