/** The body of `POST /v1/completions`: one prompt, which becomes the message of a chat turn. */
import { z } from 'zod';
import { type ChatRequest, chatRequestSchema, notOffered } from '../chat-request';

const onePrompt =
  'must be a string, or a list of one string: send a request for each prompt, and text instead of tokens';

const ofChat = chatRequestSchema.pick({
  model: true,
  stream: true,
  stream_options: true,
  max_tokens: true,
  temperature: true,
  n: true,
  best_of: true,
  user: true,
  metadata: true,
  stop: true,
  top_p: true,
  seed: true,
  presence_penalty: true,
  frequency_penalty: true,
  logit_bias: true,
});

export const textRequestSchema = ofChat.extend({
  prompt: z
    .union([z.string(), z.tuple([z.string()])], onePrompt)
    .transform((prompt) => (typeof prompt === 'string' ? prompt : prompt[0]))
    .refine((prompt) => prompt.trim() !== '', 'is empty'),
  suffix: notOffered('chat models write at the end of a text only', ''),
  echo: notOffered('put the prompt in front of the text yourself', false),
  logprobs: notOffered('providers of chat models count them differently, or not at all'),
});

export type TextRequest = z.output<typeof textRequestSchema>;

/** The same as a request for a chat completion. */
export function toChatRequest({
  prompt,
  suffix: _suffix,
  echo: _echo,
  logprobs: _logprobs,
  ...ofChatToo
}: TextRequest): ChatRequest {
  return { ...ofChatToo, messages: [{ role: 'user', content: prompt }] };
}
