/** The behaviour of a simulated model, which tests, the demo and the benchmark set at the start or while it is running. */

import type { Latency } from '../../domain/random';

interface FaultOptions {
  /** Milliseconds before the fault occurs. Default: 0, or the model's latency for faulty answers. */
  readonly afterMs?: number;
  /** Whether the provider charges for the call. Default: yes for faulty answers, no for all others. */
  readonly charged?: boolean;
}

export type Fault = FaultOptions &
  (
    | {
        /** An error in OpenAI's format. */
        readonly kind: 'status';
        readonly status: number;
        readonly message?: string;
        readonly type?: string;
        readonly code?: string;
        readonly headers?: Readonly<Record<string, string>>;
      }
    /** The connection is reset before any header. */
    | { readonly kind: 'reset' }
    /** The call is accepted, but nothing is sent until the client disconnects. */
    | { readonly kind: 'silence' }
    // Faulty answers with status 200, whole or as a stream:
    | ({ readonly kind: 'reset-mid-body' } & PartOfStream)
    | { readonly kind: 'html' }
    /** In a stream: a chunk in the middle is not valid JSON, and the stream continues. */
    | ({ readonly kind: 'invalid-json' } & PartOfStream)
    | { readonly kind: 'no-choices' }
    | { readonly kind: 'null-content'; readonly finishReason?: string }
    | { readonly kind: 'no-usage' }
    /** The answer is complete, but reports this usage. */
    | { readonly kind: 'false-usage'; readonly usage: unknown }
    | { readonly kind: 'large-body'; readonly bytes: number }
    | { readonly kind: 'slow-body'; readonly bytesPerSecond: number }
    /** The body ends normally but in the middle of the answer: a stream without a finish reason, or half a JSON document. */
    | ({ readonly kind: 'cut' } & PartOfStream)
    /** Half of the answer, then nothing; the connection stays open until the client disconnects. */
    | ({ readonly kind: 'stall' } & PartOfStream)
    /** An error instead of the rest of a stream, or as the body of a 200. */
    | ({ readonly kind: 'error-in-body' } & PartOfStream & ErrorDetail)
    // Streamed answers that are complete but unusual:
    /** The headers immediately, the first token after `ms`. */
    | { readonly kind: 'late-first-token'; readonly ms: number }
    /** The stream ends without `[DONE]`, after its usage or its finish reason, or stays open there. */
    | { readonly kind: 'no-done'; readonly staysOpen?: boolean; readonly withUsage?: boolean }
    /** A `chat.completion` as plain JSON although a stream was requested. */
    | { readonly kind: 'json-instead-of-stream' }
  );

interface PartOfStream {
  /** How much of a streamed answer is sent before the fault, rounded up to whole pieces. Default: half of it. */
  readonly afterTokens?: number;
}

interface ErrorDetail {
  readonly message?: string;
  readonly type?: string;
  readonly code?: string | number;
}

export type StatusFault = Extract<Fault, { kind: 'status' }>;

/**
 * What a model does when the last message is the assistant's: continues it, answers from the start, gives a different
 * answer from the start, or rejects the request with a 400.
 */
export type PrefillBehaviour = 'continue' | 'ignore' | 'other' | 'refuse';

/** Languages that a simulated model has answers in; it answers any other generically. */
export type SimulatedLanguage = 'en' | 'zh';

/** An answer that is no use, although the call succeeds with a 200: an empty text, or one in another language. */
export interface PoorAnswer {
  readonly kind: 'empty' | 'wrong-language';
  /** Only to questions in this language. Default: to all. */
  readonly language?: SimulatedLanguage;
  /** From 0 to 1, of the questions that it is for. */
  readonly probability: number;
}

export interface ModelBehaviour {
  /** From the request to the response, or to the headers of a stream. */
  readonly latency: Latency;
  /** Milliseconds from the headers of a stream to its first piece. */
  readonly firstTokenMs: number;
  /** Milliseconds between two pieces of a stream. */
  readonly pieceGapMs: number;
  readonly prefill: PrefillBehaviour;
  /** While it is set, every call has this fault. Queued faults take precedence. */
  readonly alwaysFault: Fault | null;
  /** A call has each of these faults with its probability, from 0 to 1; the sum is at most 1. */
  readonly randomFaults: readonly { readonly fault: Fault; readonly probability: number }[];
  /** An answer is poor with these probabilities, whatever the faults; those for one language add up to at most 1. */
  readonly poorAnswers: readonly PoorAnswer[];
  /** What the model thinks before each answer, which is sent and charged as well; '': nothing. */
  readonly thoughts: string;
  /** Whether a call that never gets a response is charged. */
  readonly chargesSilence: boolean;
  /** Whether a call that the client aborts is charged. */
  readonly chargesAborted: boolean;
  /** Longer prompts are rejected with `context_length_exceeded`. */
  readonly contextTokens: number;
  /** The share of the prompt that `usage` reports as cached, in percent. */
  readonly cachedPromptPercent: number;
}

/**
 * Answers immediately and without faults. Charges aborted calls, like real providers: without streaming the model runs to
 * the end, and for a stream they charge what was generated.
 */
export const faultlessBehaviour: ModelBehaviour = {
  latency: { kind: 'fixed', ms: 0 },
  firstTokenMs: 0,
  pieceGapMs: 0,
  prefill: 'continue',
  alwaysFault: null,
  randomFaults: [],
  poorAnswers: [],
  thoughts: '',
  chargesSilence: false,
  chargesAborted: true,
  contextTokens: 128_000,
  cachedPromptPercent: 0,
};

/** Behaviour by model name; omitted fields are as in `faultlessBehaviour`. */
export type SimulatedModels = Readonly<Record<string, Partial<ModelBehaviour>>>;

/** Errors in the format of OpenAI-compatible providers. */
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

/** Three tokens at a time, 120 per second: streaming is visible, and an answer is complete within half a second. */
const pieceGapMs = 25;

/** The provider to migrate from, with the migration guide's figures: 420 ms on average, 15 % timeouts. */
export const legacyProfile: SimulatedModels = {
  'legacy-chat': {
    latency: { kind: 'lognormal', meanMs: 420, p95Ms: 900 },
    pieceGapMs,
    randomFaults: [{ fault: { kind: 'silence' }, probability: 0.15 }],
  },
};

/** The provider to migrate to, with the migration guide's figures: 180 ms on average, 0.3 % timeouts. */
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
