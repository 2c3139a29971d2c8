import type { FailureKind } from '../../contract/failures';

/** What the outcome of a call says about its target's health: it works, it fails, or nothing. */
export type HealthSignal = 'works' | 'fails' | 'nothing';

/** A target that explicitly rejects a request is healthy; one that is silent, unreachable, overloaded or sends garbage is not. */
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
  'image-not-kept': 'nothing',
  'circuit-open': 'nothing',
};
