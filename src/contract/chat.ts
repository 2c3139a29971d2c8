/** What callers send and receive: the data that crosses Temporal. */
import type { FailureKind } from './failures';
import type { HandedOver } from './hand-off';
import type { Operation } from './operations';
import type { TraceContext } from './trace';
import type { AnswerFlag } from './user-evidence';

export const chatRoles = ['system', 'developer', 'user', 'assistant', 'tool'] as const;

/** The only part types whose worst-case cost is known. `refusal` appears only in assistant messages. */
export const partTypes = ['text', 'image_url', 'refusal'] as const;

/** One part of a multi-part message: `{ type: 'text', text }`, `{ type: 'image_url', … }`. Passed through unchanged. */
export interface ContentPart {
  readonly type: (typeof partTypes)[number];
  readonly [field: string]: unknown;
}

/** A function call that the model requests. Passed through unchanged, including any extra fields of the provider. */
export interface ToolCall {
  readonly id: string;
  readonly type: string;
  readonly [field: string]: unknown;
}

/** One message in the format of OpenAI's chat completions, as it is sent to a provider. */
export interface ChatMessage {
  readonly role: (typeof chatRoles)[number];
  /** null when the message consists of tool calls. */
  readonly content: string | readonly ContentPart[] | null;
  readonly name?: string;
  /** Assistant messages only. */
  readonly tool_calls?: readonly ToolCall[];
  /** Assistant messages only: what the model thought before its tool calls. Some models want it back with them. */
  readonly reasoning_content?: string;
  /** Tool messages only: the call that this message answers. */
  readonly tool_call_id?: string;
}

/** Languages with their own degraded reply. */
export const replyLanguages = ['en', 'zh', 'ja', 'ko', 'th', 'vi', 'id'] as const;
export type ReplyLanguage = (typeof replyLanguages)[number];

/** Sampling parameters of one turn. Omitted fields take the configured default. */
export interface SamplingOptions {
  /** 0 to 2. */
  readonly temperature?: number;
  /** Completion tokens; never more than the configured hard cap. */
  readonly maxTokens?: number;
}

/**
 * How a turn calls its models. `whole`, the default: one request, one response. `collected`: the provider streams, so that
 * the limits on first byte, first token and idle time apply and a long answer is not cut off by the attempt's timeout.
 * `streamed`: the same, and the text is also forwarded to the turn's stream as it arrives.
 */
export const deliveries = ['whole', 'collected', 'streamed'] as const;
export type Delivery = (typeof deliveries)[number];

/** The options of a turn, apart from its messages. */
export interface RequestOptions extends SamplingOptions {
  readonly delivery?: Delivery;
  /** A chain's name: the turn goes there. Else the model to try first, if the turn's arm has it. */
  readonly model?: string;
  /** Omitted: a chat. Otherwise the request is all in `modelOptions`, and `model` is the name under which it is offered. */
  readonly operation?: Operation;
  /** Models and chains to try when every target of the turn's own chain has failed. */
  readonly fallbacks?: readonly string[];
  /** `tools`, `response_format`, `stop`, …: sent to the provider unchanged, and counted as part of the prompt. */
  readonly modelOptions?: Readonly<Record<string, unknown>>;
  /** The id of the API key whose budget pays; never the key itself. */
  readonly keyId?: string;
  /**
   * Wall clock, in milliseconds since 1970: a turn that no worker has admitted by then ends without a call, because nobody is
   * waiting for its answer any more. A turn that was admitted in time goes on. Set by our client.
   */
  readonly startByMs?: number;
  /** The span that asks for the turn. Our client fills it in from the active span of its process. */
  readonly trace?: TraceContext;
  /**
   * What a response of OpenAI's Responses says of its request, for whoever asks for it later: its settings and its client's
   * metadata. The reply repeats it.
   */
  readonly echo?: Readonly<Record<string, unknown>>;
  /** Distinguishes a repeated request from a different one with the same turn id. Set by our client and echoed in the reply. */
  readonly requestHash?: string;
}

/**
 * Where a turn stands in its conversation, when its caller says so: users of chat applications edit and regenerate their
 * messages. Former branches stay in the transcript.
 */
export interface Branch {
  /**
   * The turn that it follows, also when others have followed that one; one that is no longer remembered is refused unless
   * the caller tells what was said before. null: none.
   */
  readonly after: string | null;
  /** What was said up to the end of that turn, in case it is no longer remembered. */
  readonly before?: readonly ChatMessage[];
  /** Messages between that turn and this one. Without a turn to follow, they stand for what the conversation was opened with. */
  readonly history?: readonly ChatMessage[];
  /** Refuses the turn also in a conversation that has just been reopened and so remembers none. Older workers ignore it. */
  readonly mustBeRemembered?: true;
  /** Whether more was said than the caller tells, so early that no model would see it. */
  readonly isCut?: boolean;
  /** In place of the conversation's, for this turn; '' for none. */
  readonly systemPrompt?: string;
}

/** Input of the `sendMessage` update. The update's id is `turnId`. */
export interface SendMessageInput extends RequestOptions {
  readonly turnId: string;
  /** The user's message; '' when `messages` is set. */
  readonly content: string;
  /** The new messages, when they are more than one plain text: images, tool results. */
  readonly messages?: readonly ChatMessage[];
  /** Default: the turn follows the latest one. Workers from before branches ignore it. */
  readonly branch?: Branch;
  /** For this turn alone, before the conversation's own prompt, and remembered by nobody. Older workers ignore it. */
  readonly instructions?: string;
  readonly userId?: string;
  /** Language of a degraded reply; detected from the message when omitted. */
  readonly language?: ReplyLanguage;
  /** Default: `enqueue`. Workers from before it enqueue. */
  readonly whileBusy?: WhileBusy;
}

/**
 * What becomes of a message while earlier turns of its session have not ended. `enqueue`: it waits for them. `reject`: it is
 * refused. `interrupt`: they are stopped, those that wait too.
 */
export const whileBusyPolicies = ['enqueue', 'reject', 'interrupt'] as const;
export type WhileBusy = (typeof whileBusyPolicies)[number];

/** Input of the `conversation` workflow. */
export interface ConversationInput {
  readonly sessionId: string;
  readonly systemPrompt?: string;
  /**
   * Messages from before this conversation was opened, oldest first. Models see them like the conversation's own turns.
   * Ignored when the conversation is already open.
   */
  readonly history?: readonly ChatMessage[];
  /** The conversation closes after this long without a message, in milliseconds. Default: 24 hours. */
  readonly idleTimeoutMs?: number;
  /** State carried across continue-as-new; callers omit it. */
  readonly carried?: CarriedConversation;
}

export interface CarriedConversation {
  readonly turns: readonly TranscriptTurn[];
  readonly totals: ConversationSpend;
  readonly lastActivityAtMs: number;
  readonly handedOver?: HandedOver;
}

/** Input of the `chatTurn` workflow: one request that carries its whole history. */
export interface ChatTurnInput extends RequestOptions {
  readonly turnId: string;
  readonly messages: readonly ChatMessage[];
  /** Send all messages, however many there are: the caller manages its own window. */
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
  /** Of a turn that is no chat: `content` is then what `Provider.runOperation` returned. */
  readonly operation?: Operation;
  readonly content: string;
  /** The target that answered: `holysheep-primary`, `holysheep-fallback`, `legacy-primary`, …; otherwise `degraded-mode`. */
  readonly provider: string;
  /** The model that answered; null when none did. */
  readonly model: string | null;
  /** The arm that admitted the turn: `holysheep` or `legacy`; null when the turn was blocked. */
  readonly handler: string | null;
  /** True when an active rollout sent the turn to its canary arm; its retries and fallbacks stay on that arm. */
  readonly canary: boolean;
  /** True when no target of the canary arm answered, so that one of the baseline arm did. Absent otherwise. */
  readonly rescued?: true;
  /** Model calls made, across all targets. */
  readonly attempts: number;
  /** From admission to the recorded answer, including retries and fallbacks. */
  readonly latency_ms: number;
  readonly tokens_used: number;
  /** US dollars, 6 decimals: what providers confirmed. */
  readonly cost_usd: number;
  /** US dollars, 6 decimals: what attempts of unknown outcome may have cost in addition. */
  readonly unconfirmed_usd: number;
  /** The same in whole nano-dollars, as the ledger has it: sums of these are exact. Absent from older workers. */
  readonly cost_nano_usd?: number;
  readonly unconfirmed_nano_usd?: number;
  readonly success: boolean;
  /** True when somebody stopped the turn: `content` is what its readers had been shown, and `success` is false. */
  readonly stopped?: true;
  /** True when a person answers in the session: no model was called, and `content` is empty. */
  readonly handed_over?: true;
  readonly error: string | null;
  /** The kind of the last failure, when no model answered. */
  readonly error_kind?: FailureKind;
  /** When no model answered: the shortest wait that a provider asked for before the next request, in milliseconds. */
  readonly retry_after_ms?: number;
  /** Why the model stopped, in OpenAI's terms: `stop`, `length`, `tool_calls`, … */
  readonly finish_reason?: string;
  /** The model's own explanation for not answering; `content` is then usually empty. */
  readonly refusal?: string;
  /** Function calls that the model requests; `content` is then usually empty. */
  readonly tool_calls?: readonly ToolCall[];
  /** What the model thought before it answered. */
  readonly reasoning_content?: string;
  /** What seems to be wrong with the answer; see docs/flags.md. Absent: nothing. */
  readonly flags?: readonly AnswerFlag[];
  /** Tokens of all calls that the answer took, as far as their providers count them. */
  readonly usage?: ReplyUsage;
  /** True when a budget refused the turn before any call. */
  readonly blocked: boolean;
  /** Blocked turns only: which budget refused the turn. */
  readonly refused_by?: 'session' | 'day' | 'key';
  /** US dollars left in the day's budget. */
  readonly remaining_budget: number;
  /** Of the trace that the turn belongs to, if its caller has one. */
  readonly trace_id?: string;
  /** `echo` of the request. */
  readonly echo?: Readonly<Record<string, unknown>>;
  /** `requestHash` of the request that this answers. Our client compares it and removes it from the reply. */
  readonly request_hash?: string;
}

export interface ReplyUsage {
  readonly prompt_tokens: number;
  readonly cached_tokens: number;
  /** Those of the prompt tokens that were written to a cache, if there were any. */
  readonly cache_write_tokens?: number;
  readonly completion_tokens: number;
  /** Those of the completion tokens that the model thought with, if its provider says so. */
  readonly reasoning_tokens?: number;
}

export interface TranscriptTurn {
  readonly turnId: string;
  readonly atMs: number;
  readonly userContent: string;
  /** As in `SendMessageInput`. */
  readonly messages?: readonly ChatMessage[];
  /** Absent: the turn follows the one before it in the transcript. */
  readonly branch?: Pick<Branch, 'after' | 'history' | 'isCut'>;
  /** A person said `reply.content`, and no user asked for it in this turn. */
  readonly person?: { readonly author?: string };
  readonly reply: ChatReply;
}

/** Result of the `transcript` query: the most recent turns, oldest first. */
export interface Transcript {
  readonly sessionId: string;
  readonly state: 'open' | 'closed';
  /** Absent: the model answers. */
  readonly handedOver?: HandedOver;
  readonly turns: readonly TranscriptTurn[];
  /** Number of earlier turns, whose text is no longer kept. */
  readonly olderTurns: number;
}

/**
 * Result of the `outline` query: what a conversation remembers, as fingerprints of its messages, by which a gateway finds
 * the place of a request that brings its history.
 */
export interface ConversationOutline {
  /** `closed` also after a day without a message: the next one begins the conversation anew. */
  readonly state: 'open' | 'closed';
  /** null: none. */
  readonly systemPrompt: string | null;
  /** Of the messages that it was opened with. */
  readonly opening: readonly string[];
  /** Oldest first. */
  readonly turns: readonly OutlinedTurn[];
  /** How the latest questions and replies begin: requests for titles quote them. */
  readonly quotes: readonly { readonly question: string; readonly reply: string }[];
}

export interface OutlinedTurn {
  readonly turnId: string;
  /** The id of the turn that it follows, which may be forgotten. */
  readonly after: string | null;
  /** Of a turn that follows none: whether it stands behind what the conversation was opened with. */
  readonly behind?: 'opening';
  /** Of a turn that follows none: whether its client had more to tell than a model would see. */
  readonly isCut?: boolean;
  /** Of its messages: a history of its own, what is new, and the reply. */
  readonly messages: readonly string[];
}

/** Result of the `spend` query. */
export interface ConversationSpend {
  readonly turns: number;
  readonly tokens: number;
  readonly cost_usd: number;
  readonly unconfirmed_usd: number;
  /** Exact; absent in what older workers carried on. */
  readonly cost_nano_usd?: number;
  readonly unconfirmed_nano_usd?: number;
}

/** Result of the `conversation` workflow. */
export interface ConversationResult {
  readonly closedBecause: 'signal' | 'idle';
  readonly spend: ConversationSpend;
}
