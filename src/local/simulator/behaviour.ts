/** How a simulated model behaves: what tests, the demo and the benchmark set, at the start or while it runs. */

import type { Latency } from '../../domain/random';

interface FaultOptions {
  /** Milliseconds of work before the fault shows. Default: 0, or the model's latency for faulty answers. */
  readonly afterMs?: number;
  /** Whether the provider charges for the call. Default: for faulty answers yes, for the others no. */
  readonly charged?: boolean;
}

export type Fault = FaultOptions &
  (
    | {
        /** An error in the form of OpenAI. */
        readonly kind: 'status';
        readonly status: number;
        readonly message?: string;
        readonly type?: string;
        readonly code?: string;
        readonly headers?: Readonly<Record<string, string>>;
      }
    /** The connection is reset before any header. */
    | { readonly kind: 'reset' }
    /** The call is accepted; nothing comes until the client goes. */
    | { readonly kind: 'silence' }
    // Faulty answers with status 200, whole or as a stream:
    | ({ readonly kind: 'reset-mid-body' } & PartOfStream)
    | { readonly kind: 'html' }
    /** Of a stream: a chunk in the middle is no JSON, and the stream goes on. */
    | ({ readonly kind: 'invalid-json' } & PartOfStream)
    | { readonly kind: 'no-choices' }
    | { readonly kind: 'null-content'; readonly finishReason?: string }
    | { readonly kind: 'no-usage' }
    /** The answer is whole, and says this of what it used. */
    | { readonly kind: 'false-usage'; readonly usage: unknown }
    | { readonly kind: 'large-body'; readonly bytes: number }
    | { readonly kind: 'slow-body'; readonly bytesPerSecond: number }
    /** The body ends as if it were whole, in the middle of the answer: a stream without a finish reason, half a JSON. */
    | ({ readonly kind: 'cut' } & PartOfStream)
    /** Half of the answer, then nothing; the connection stays open until the client goes. */
    | ({ readonly kind: 'stall' } & PartOfStream)
    /** An error instead of the rest of a stream, or as the body of a 200. */
    | ({ readonly kind: 'error-in-body' } & PartOfStream & ErrorDetail)
    // Answers that are whole and only unusual, where they are streamed:
    /** The headers at once, the first token after `ms`. */
    | { readonly kind: 'late-first-token'; readonly ms: number }
    /** The stream ends after its usage, or after its finish reason, without `[DONE]`; or it stays open there. */
    | { readonly kind: 'no-done'; readonly staysOpen?: boolean; readonly withUsage?: boolean }
    /** A `chat.completion` as plain JSON although a stream was asked for. */
    | { readonly kind: 'json-instead-of-stream' }
  );

interface PartOfStream {
  /** How much of a streamed answer comes before the fault, rounded up to whole pieces. Default: half of it. */
  readonly afterTokens?: number;
}

interface ErrorDetail {
  readonly message?: string;
  readonly type?: string;
  readonly code?: string | number;
}

export type StatusFault = Extract<Fault, { kind: 'status' }>;

/**
 * What a model does when the last message is the assistant's: goes on from it, answers from the start, says something
 * else from the start, or refuses with a 400.
 */
export type PrefillConduct = 'continue' | 'ignore' | 'other' | 'refuse';

export interface ModelBehaviour {
  /** From the request to the answer, or to the headers of a stream. */
  readonly latency: Latency;
  /** From the headers of a stream to its first piece, in milliseconds. */
  readonly firstTokenMs: number;
  /** Between two pieces of a stream, in milliseconds. */
  readonly pieceGapMs: number;
  readonly prefill: PrefillConduct;
  /** Every call has this fault, as long as it is set. Queued faults go first. */
  readonly alwaysFault: Fault | null;
  /** Each call has one of these faults with its probability, from 0 to 1; together they are at most 1. */
  readonly randomFaults: readonly { readonly fault: Fault; readonly probability: number }[];
  /** Whether a silent call is charged. */
  readonly chargesSilence: boolean;
  /** Whether a call that the client leaves before its answer is charged. */
  readonly chargesAborted: boolean;
  /** Longer prompts are refused with `context_length_exceeded`. */
  readonly contextTokens: number;
  /** Share of the prompt that `usage` reports as cached, in percent. */
  readonly cachedPromptPercent: number;
}

/**
 * Answers at once and without fault. Charges aborted calls, as providers do: without streaming the model went on, and of a
 * stream they charge what was said.
 */
export const faultlessBehaviour: ModelBehaviour = {
  latency: { kind: 'fixed', ms: 0 },
  firstTokenMs: 0,
  pieceGapMs: 0,
  prefill: 'continue',
  alwaysFault: null,
  randomFaults: [],
  chargesSilence: false,
  chargesAborted: true,
  contextTokens: 128_000,
  cachedPromptPercent: 0,
};

/** Behaviour by model name; what is left out is as in `faultlessBehaviour`. */
export type SimulatedModels = Readonly<Record<string, Partial<ModelBehaviour>>>;

/** The faults that have a form of their own among OpenAI-compatible providers. */
export const faults = {
  rateLimited: (headers: Readonly<Record<string, string>> = {}): StatusFault => ({
    kind: 'status',
    status: 429,
    type: 'requests',
    code: 'rate_limit_exceeded',
    message: 'Rate limit reached. Please try again later.',
    headers,
  }),
  serverError: (status = 500): StatusFault => ({
    kind: 'status',
    status,
    type: 'server_error',
    message: 'The server had an error while processing your request.',
  }),
  contextLength: (contextTokens = 128_000): StatusFault => ({
    kind: 'status',
    status: 400,
    type: 'invalid_request_error',
    code: 'context_length_exceeded',
    message: `This model's maximum context length is ${contextTokens} tokens. Please reduce the length of the messages.`,
  }),
  unknownModel: (model: string): StatusFault => ({
    kind: 'status',
    status: 404,
    type: 'invalid_request_error',
    code: 'model_not_found',
    message: `The model '${model}' does not exist.`,
  }),
  prefillRefused: (): StatusFault => ({
    kind: 'status',
    status: 400,
    type: 'invalid_request_error',
    message: 'This model does not support assistant message prefill. The conversation must end with a user message.',
  }),
  contentFilter: (
    message = 'The response was filtered due to the prompt triggering the content policy.',
  ): StatusFault => ({
    kind: 'status',
    status: 400,
    type: 'invalid_request_error',
    code: 'content_filter',
    message,
  }),
} as const;

/** Three tokens at a time, at 120 a second: a streamed answer can be seen to come, and is whole within half a second. */
const pieceGapMs = 25;

/** The provider that is migrated away from, with the migration guide's figures: 420 ms on average, 15 % timeouts. */
export const legacyProfile: SimulatedModels = {
  'legacy-chat': {
    latency: { kind: 'lognormal', meanMs: 420, p95Ms: 900 },
    pieceGapMs,
    randomFaults: [{ fault: { kind: 'silence' }, probability: 0.15 }],
  },
};

/** The provider that is migrated to, with the migration guide's figures: 180 ms on average, 0.3 % timeouts. */
export const holysheepProfile: SimulatedModels = {
  'deepseek-v3.2': {
    latency: { kind: 'lognormal', meanMs: 180, p95Ms: 350 },
    pieceGapMs,
    randomFaults: [{ fault: { kind: 'silence' }, probability: 0.003 }],
  },
  'gemini-2.5-flash': {
    latency: { kind: 'lognormal', meanMs: 180, p95Ms: 350 },
    pieceGapMs,
    randomFaults: [{ fault: { kind: 'silence' }, probability: 0.003 }],
  },
};
