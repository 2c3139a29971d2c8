/** What a caller sends and what a caller gets: the data that crosses Temporal. */

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
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

/** Input of the `sendMessage` update. The update's id is `turnId`. */
export interface SendMessageInput extends SamplingOptions {
  readonly turnId: string;
  readonly content: string;
  readonly userId?: string;
  /** Language of a degraded reply; detected from the message when left out. */
  readonly language?: ReplyLanguage;
}

/** Input of the `conversation` workflow. */
export interface ConversationInput {
  readonly sessionId: string;
  readonly systemPrompt?: string;
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
export interface ChatTurnInput extends SamplingOptions {
  readonly turnId: string;
  readonly messages: readonly ChatMessage[];
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
  /** True when a budget refused the turn before any call. */
  readonly blocked: boolean;
  /** US dollars left of the day's budget. */
  readonly remaining_budget: number;
}

export interface TranscriptTurn {
  readonly turnId: string;
  readonly atMs: number;
  readonly userContent: string;
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
