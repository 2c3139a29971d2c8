import { describeProblem, formatPath, type Problem } from '../contract/problem';
import type { TurnFacts } from './completion';

/** OpenAI's names for kinds of errors; its clients choose their exception by the status. */
type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'rate_limit_error'
  | 'insufficient_quota'
  | 'api_error';

export interface ErrorFields {
  /** What happened, what it means, what to do next. */
  readonly message: string;
  readonly type: ErrorType;
  /** The field of the request that is wrong: `messages[0].role`. */
  readonly param: string | null;
  /** Stable, for programs. */
  readonly code: string;
  /** Of a turn that no model answered: a text that can be shown to its user. */
  readonly degraded_reply?: string;
  readonly bellwether?: TurnFacts;
}

export interface ErrorBody {
  readonly error: ErrorFields;
}

/** Tells OpenAI's clients, which retry 408, 409, 429 and 5xx by themselves, that repeating will not help. */
const neverRetry = { 'x-should-retry': 'false' } as const;

/** Any answer that is not what was asked for. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';

  constructor(
    readonly status: number,
    readonly fields: ErrorFields,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(fields.message);
  }

  get body(): ErrorBody {
    return { error: this.fields };
  }

  /** The same, for a client that would repeat it by itself. */
  final(): GatewayError {
    return new GatewayError(this.status, this.fields, { ...this.headers, ...neverRetry });
  }

  about(details: Pick<ErrorFields, 'degraded_reply' | 'bellwether'>): GatewayError {
    return new GatewayError(this.status, { ...this.fields, ...details }, this.headers);
  }
}

export function badRequest(message: string, param: string | null, code = 'invalid_value', status = 400): GatewayError {
  return new GatewayError(status, { message, type: 'invalid_request_error', param, code });
}

/** What is wrong with a field of the request, its path being the body's. */
export function wrongField(problem: Problem): GatewayError {
  return badRequest(`${describeProblem(problem)}.`, problem.path.length > 0 ? formatPath(problem.path) : null);
}

export function notFound(message: string, code: string, param: string | null = null): GatewayError {
  return badRequest(message, param, code, 404);
}

/** The caller is known, and may not do this. */
export function forbidden(message: string, code: string, param: string | null = null): GatewayError {
  return new GatewayError(403, { message, type: 'permission_error', param, code });
}

export function tooMany(message: string, code: string, retryAfterSeconds: number): GatewayError {
  const fields = { message, type: 'rate_limit_error', param: null, code } as const;
  return new GatewayError(429, fields, { 'retry-after': String(retryAfterSeconds) });
}

/** Something behind the gateway, or the gateway itself, failed. */
export function failed(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): GatewayError {
  return new GatewayError(status, { message, type: 'api_error', param: null, code }, headers);
}
