import { describeProblem, formatPath, type Problem } from '../contract/problem';
import type { TurnFacts } from './completion';
import { cataloguedError, type CataloguedError, type ErrorCode, type ErrorName } from './error-codes';

export interface ErrorFields {
  /** What happened, what it means, what to do next. */
  readonly message: string;
  readonly type: CataloguedError['type'];
  /** The field of the request that is wrong: `messages[0].role`. */
  readonly param: string | null;
  /** Stable, for programs. */
  readonly code: ErrorCode;
  /** Of a turn that no model answered: a text that can be shown to its user. */
  readonly degraded_reply?: string;
  readonly bellwether?: TurnFacts;
}

export interface ErrorBody {
  readonly error: ErrorFields;
}

interface ErrorOptions {
  readonly param?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of a turn that no model answered. */
  readonly details?: Pick<ErrorFields, 'degraded_reply' | 'bellwether'>;
}

/** Tells OpenAI's clients, which repeat some statuses by themselves, that repeating will not help. */
const neverRetry = { 'x-should-retry': 'false' } as const;

function isRepeatedByClients(status: number): boolean {
  return [408, 409, 429].includes(status) || status >= 500;
}

/** Any answer that is not what was asked for. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly status: number;
  readonly fields: ErrorFields;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    private readonly entry: ErrorName,
    message: string,
    private readonly options: ErrorOptions = {},
  ) {
    super(message);
    const { status, type, code, repeat } = cataloguedError(entry);
    const { param = null, headers = {}, details } = options;
    this.status = status;
    this.fields = { message, type, param, code, ...details };
    this.headers = repeat === 'never' && isRepeatedByClients(status) ? { ...headers, ...neverRetry } : headers;
  }

  get body(): ErrorBody {
    return { error: this.fields };
  }

  /** The same, for a client that would repeat it by itself. */
  final(): GatewayError {
    return this.with({ headers: { ...this.headers, ...neverRetry } });
  }

  /** The same, for a client that decides by itself when to send its request again. */
  retryAfter(waitMs: number): GatewayError {
    return this.with({ headers: { ...this.headers, 'retry-after': String(Math.ceil(waitMs / 1000)) } });
  }

  /** The same for a body that was not read to its end: its connection cannot be used for another request. */
  unread(): GatewayError {
    return this.with({ headers: { ...this.headers, connection: 'close' } });
  }

  about(details: Pick<ErrorFields, 'degraded_reply' | 'bellwether'>): GatewayError {
    return this.with({ details });
  }

  with(changes: ErrorOptions): GatewayError {
    return new GatewayError(this.entry, this.message, { ...this.options, ...changes });
  }
}

/** A field or header has a value that is not accepted. */
export function badRequest(message: string, param: string | null): GatewayError {
  return new GatewayError('invalid_value', message, { param });
}

/** What is wrong with a field of the request's body; the path is the body's. */
export function wrongField(problem: Problem): GatewayError {
  return badRequest(`${describeProblem(problem)}.`, problem.path.length > 0 ? formatPath(problem.path) : null);
}
