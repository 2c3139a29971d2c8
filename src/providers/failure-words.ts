import type { FailureKind } from '../contract/failures';

/** Long enough for a provider's reason, short enough for a history. */
export const maxReasonCharacters = 300;

/** What each kind means, and where there is something to do about it, what. */
export const meanings: Readonly<Record<FailureKind, string>> = {
  timeout: 'no complete answer within the limit of the attempt',
  connection: 'the connection failed',
  'rate-limited': 'too many requests, or a used-up quota',
  'server-error': 'the provider failed',
  unauthorized: 'the API key was refused; check the key and the permissions of this provider',
  'context-length': 'the messages do not fit the model',
  'content-filter': 'the provider withheld the answer because of its content rules',
  'bad-request': 'the provider does not accept this request; check the model and the base URL',
  'malformed-response': 'the answer is not what an OpenAI-compatible provider sends; check the base URL',
  'response-too-large': 'the answer passed the limit of its size and was broken off',
  cancelled: 'the call was stopped',
  budget: 'no budget is left',
  'circuit-open': 'it failed so often of late that it was not asked',
};
