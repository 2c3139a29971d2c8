import type { CallFailure, FailureKind } from '../../contract/failures';

/** What the outcome of a call says about its target's health: it works, it fails, or nothing. */
export type HealthSignal = 'works' | 'fails' | 'nothing';

/** What a first call says about its arm in a rollout. */
export type CallResult = 'success' | 'fault' | 'declined';

interface Meaning {
  readonly health: HealthSignal;
  /** null: nothing. `not-called`: the failures of others kept this call from being made. */
  readonly result: CallResult | 'not-called' | null;
}

/**
 * For the circuit breaker, a target that explicitly rejects a request is healthy; one that is silent, unreachable, overloaded
 * or sends garbage is not. For a rollout, a fault is the arm's, and what the caller may have caused is declined.
 */
const meanings: Readonly<Record<'answered' | FailureKind, Meaning>> = {
  answered: { health: 'works', result: 'success' },
  unauthorized: { health: 'works', result: 'fault' },
  'context-length': { health: 'works', result: 'declined' },
  'content-filter': { health: 'works', result: 'declined' },
  'bad-request': { health: 'works', result: 'declined' },
  'response-too-large': { health: 'works', result: 'declined' },
  timeout: { health: 'fails', result: 'fault' },
  connection: { health: 'fails', result: 'fault' },
  'rate-limited': { health: 'fails', result: 'fault' },
  'server-error': { health: 'fails', result: 'fault' },
  'malformed-response': { health: 'fails', result: 'fault' },
  cancelled: { health: 'nothing', result: null },
  budget: { health: 'nothing', result: null },
  'image-not-kept': { health: 'nothing', result: null },
  'circuit-open': { health: 'nothing', result: 'not-called' },
};

type ModelOptions = Readonly<Record<string, unknown>>;

/** Options with which a caller can make any model say nothing. */
const silencingFields = ['stop', 'logit_bias'];

/**
 * Whether what this request asks for can make any target fail like this. All callers share the circuit breaker and the
 * rollout, so one of them must be able neither to open the one nor to roll back the other.
 */
export function mayBeAskedFor(failure: CallFailure, modelOptions: ModelOptions = {}): boolean {
  const isSilenced = silencingFields.some((field) => (modelOptions[field] ?? null) !== null);
  return failure.mayBeAskedFor === true || (failure.isEmptyAnswer === true && isSilenced);
}

/** @param failure null: the target answered */
export function healthSignal(failure: CallFailure | null, modelOptions?: ModelOptions): HealthSignal {
  if (failure === null) return meanings.answered.health;
  return mayBeAskedFor(failure, modelOptions) ? 'nothing' : meanings[failure.kind].health;
}

/**
 * @param outcome null: the call is open, or its end is unknown. A kind that only a newer worker knows is a fault.
 * @param isAskedFor see `mayBeAskedFor`
 */
export function resultOf(outcome: string | null, isAskedFor: boolean): Meaning['result'] {
  if (outcome === null) return null;
  const { result } = Object.hasOwn(meanings, outcome) ? meanings[outcome as keyof typeof meanings] : unknownFailure;
  return result === 'fault' && isAskedFor ? 'declined' : result;
}

const unknownFailure: Meaning = { health: 'fails', result: 'fault' };
