import type { FailureKind } from '../../contract/failures';

/** What the end of a call tells of its target: that it works, that it fails, or nothing at all. */
export type HealthSignal = 'works' | 'fails' | 'nothing';

/** A target that refuses one request in clear words is well; one that is silent, broken, overloaded or talks nonsense is not. */
export const healthSignals: Readonly<Record<'answered' | FailureKind, HealthSignal>> = {
  answered: 'works',
  unauthorized: 'works',
  'context-length': 'works',
  'content-filter': 'works',
  'bad-request': 'works',
  'response-too-large': 'works',
  timeout: 'fails',
  connection: 'fails',
  'rate-limited': 'fails',
  'server-error': 'fails',
  'malformed-response': 'fails',
  cancelled: 'nothing',
  budget: 'nothing',
  'circuit-open': 'nothing',
};
