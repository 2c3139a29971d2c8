/** What a caller sends and what a caller gets: the data that crosses Temporal. */
import type { FailureKind } from './failures';

export const chatRoles = ['system', 'developer', 'user', 'assistant', 'tool'] as const;

/** Of these alone it is known what they may cost. A `refusal` is a part of an assistant's message. */
export const partTypes = ['text', 'image_url', 'refusal'] as const;

/** A part of a message that is not one text: `{ type: 'text', text }`, `{ type: 'image_url', … }`. Passed through whole. */
export interface ContentPart {
  readonly type: (typeof partTypes)[number];
  readonly [field: string]: unknown;
}

/** A function that the model wants to be called. Passed through whole, with whatever else a provider puts there. */
export interface ToolCall {
  readonly id: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

/** One message as OpenAI's chat completions have it, and as it goes to a provider. */
export interface ChatMessage {
  readonly role: (typeof chatRoles)[number];
  /** null beside tool calls. */
  readonly content: string | readonly ContentPart[] | null;
  readonly name?: string;
  /** Of an assistant's message. */
  readonly tool_calls?: readonly ToolCall[];
  /** Of a tool's message: the call that it answers. */
  readonly tool_call_id?: string;
}

/** Languages that have a degraded reply of their own. */
export const replyLanguages = ['en', 'zh', 'ja', 'ko', 'th', 'vi', 'id'] as const;
export type ReplyLanguage = (typeof replyLanguages)[number];

/** Sampling parameters of one turn; what is left out takes the configured default. */
export interface SamplingOptions {
  /** 0 to 2. */
  readonly temperature?: number;
  /** Completion tokens; the configured hard cap holds over it. */
  readonly maxTokens?: number;
}

/**
 * How a turn calls its models. `whole`, the default: one request, one answer. `collected`: as a stream, so that limits on
 * the first byte, the first token and on silence hold, and a long answer may take its time. `streamed`: the same, and
 * the text goes to the turn's stream as it comes.
 */
export const deliveries = ['whole', 'collected', 'streamed'] as const;
export type Delivery = (typeof deliveries)[number];

/** What a request asks of a turn beside its messages. */
export interface RequestOptions extends SamplingOptions {
  readonly delivery?: Delivery;
  /** The model that is asked first where the turn's arm has it. */
  readonly model?: string;
  /** `tools`, `response_format`, `stop`, …: goes to the provider as it is, and counts as part of the prompt. */
  readonly modelOptions?: Readonly<Record<string, unknown>>;
  /** The API key whose budget pays, by its id; never the key itself. */
  readonly keyId?: string;
  /** Tells a repeated request from another one under the same turn id; the reply brings it back. Our client makes it. */
  readonly requestHash?: string;
}

/** Input of the `sendMessage` update. The update's id is `turnId`. */
export interface SendMessageInput extends RequestOptions {
  readonly turnId: string;
  /** The user's message; '' when `messages` holds what is new. */
  readonly content: string;
  /** What is new in the conversation where it is not one text: messages with images, results of tools. */
  readonly messages?: readonly ChatMessage[];
  readonly userId?: string;
  /** Language of a degraded reply; detected from the message when left out. */
  readonly language?: ReplyLanguage;
}

/** Input of the `conversation` workflow. */
export interface ConversationInput {
  readonly sessionId: string;
  readonly systemPrompt?: string;
  /**
   * What was said before the conversation began here, oldest first: models see it as they see the conversation's own turns.
   * Of a conversation that is open already nothing of it counts.
   */
  readonly history?: readonly ChatMessage[];
  /** Milliseconds without a message after which the conversation closes. Default 24 hours. */
  readonly idleTimeoutMs?: number;
  /** Carried across continue-as-new; callers leave it out. */
  readonly carried?: CarriedConversation;
}

export interface CarriedConversation {
  readonly turns: readonly TranscriptTurn[];
  readonly totals: ConversationSpend;
  readonly lastActivityAtMs: number;
}

/** Input of the `chatTurn` workflow: one request that brings its whole history. */
export interface ChatTurnInput extends RequestOptions {
  readonly turnId: string;
  readonly messages: readonly ChatMessage[];
  /** Send all of the messages, however many: the caller keeps its own window. */
  readonly keepAllMessages?: boolean;
  readonly sessionId?: string;
  readonly userId?: string;
  readonly language?: ReplyLanguage;
}

/**
 * A turn's reply, with the migration guide's field names, the same in TypeScript, in JSON and in the Temporal UI.
 */
export interface ChatReply {
  readonly turn_id: string;
  readonly session_id: string | null;
  readonly content: string;
  /** Role within the arm: `holysheep-primary`, `holysheep-fallback`, `legacy-primary`, …, or `degraded-mode`. */
  readonly provider: string;
  /** The model that answered; null when none did. */
  readonly model: string | null;
  /** The arm that admitted the turn: `holysheep` or `legacy`; null when the turn was blocked. */
  readonly handler: string | null;
  /** True when a rollout that was active sent the turn to its new arm; its retries and fallbacks belong there too. */
  readonly canary: boolean;
  /** Model calls made, over all targets. */
  readonly attempts: number;
  /** From admission to the recorded answer, retries and fallbacks included. */
  readonly latency_ms: number;
  readonly tokens_used: number;
  /** US dollars, 6 decimals: what providers confirmed. */
  readonly cost_usd: number;
  /** US dollars, 6 decimals: what attempts of unknown outcome may have cost on top. */
  readonly unconfirmed_usd: number;
  readonly success: boolean;
  readonly error: string | null;
  /** What the last failed call was, when no model answered. */
  readonly error_kind?: FailureKind;
  /** Why the model stopped, in OpenAI's words: `stop`, `length`, `tool_calls`, … */
  readonly finish_reason?: string;
  /** Why the model does not answer, in its own words; `content` is then mostly empty. */
  readonly refusal?: string;
  /** Functions that the model wants to be called; `content` is then mostly empty. */
  readonly tool_calls?: readonly ToolCall[];
  /** Tokens of the call that answered, as its provider counted them. */
  readonly usage?: ReplyUsage;
  /** True when a budget refused the turn before any call. */
  readonly blocked: boolean;
  /** Of a turn that was blocked: whose budget refused it. */
  readonly refused_by?: 'session' | 'day' | 'key';
  /** US dollars left of the day's budget. */
  readonly remaining_budget: number;
  /** `requestHash` of the request that this answers. Our client compares it and leaves it out. */
  readonly request_hash?: string;
}

export interface ReplyUsage {
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  readonly completion_tokens: number;
}

export interface TranscriptTurn {
  readonly turnId: string;
  readonly atMs: number;
  readonly userContent: string;
  /** As in `SendMessageInput`. */
  readonly messages?: readonly ChatMessage[];
  readonly reply: ChatReply;
}

/** Answer of the `transcript` query: the most recent turns, oldest first. */
export interface Transcript {
  readonly sessionId: string;
  readonly state: 'open' | 'closed';
  readonly turns: readonly TranscriptTurn[];
  /** Turns before these, whose text is no longer kept. */
  readonly olderTurns: number;
}

/** Answer of the `spend` query. */
export interface ConversationSpend {
  readonly turns: number;
  readonly tokens: number;
  readonly cost_usd: number;
  readonly unconfirmed_usd: number;
}

/** Result of the `conversation` workflow. */
export interface ConversationResult {
  readonly closedBecause: 'signal' | 'idle';
  readonly spend: ConversationSpend;
}
