import type { CallFailure, FailureKind } from '../../contract/failures';

/** What the outcome of a call says about its target's health: it works, it fails, or nothing. */
export type HealthSignal = 'works' | 'fails' | 'nothing';

/** A target that explicitly rejects a request is healthy; one that is silent, unreachable, overloaded or sends garbage is not. */
const healthSignals: Readonly<Record<'answered' | FailureKind, HealthSignal>> = {
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

/** Options with which a caller can make any model say nothing. */
const silencingFields = ['stop', 'logit_bias'];

/** @param failure null: the target answered */
export function healthSignal(
  failure: CallFailure | null,
  modelOptions: Readonly<Record<string, unknown>> = {},
): HealthSignal {
  if (failure === null) return healthSignals.answered;
  // All callers share the circuit breaker, so what one of them asks for must not open it.
  const isSilenced = silencingFields.some((field) => (modelOptions[field] ?? null) !== null);
  if (failure.mayBeAskedFor || (failure.isEmptyAnswer && isSilenced)) return 'nothing';
  return healthSignals[failure.kind];
}
