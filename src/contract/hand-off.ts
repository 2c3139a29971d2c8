/** A session that a person answers in place of the model: what crosses Temporal. */
import type { ChatReply } from './chat';

/** Since when, and why, a session is handed over. */
export interface HandedOver {
  readonly sinceMs: number;
  /** As whoever handed it over said. Only in Temporal, like all text. */
  readonly reason?: string;
}

/** Input of the `handOver` update. */
export interface HandOverInput {
  readonly reason?: string;
}

/** Input of the `addMessage` update: what a person says to the user. */
export interface PersonMessageInput {
  /** The same id is the same message. */
  readonly messageId: string;
  readonly content: string;
  /** Shown in the transcript; the model does not see it. */
  readonly author?: string;
}

/** Its result. */
export interface PersonMessage {
  readonly messageId: string;
  readonly atMs: number;
}

/** What has happened in a handed-over session, for the ledger and for those who are told. Never any text. */
export type HandOffEvent =
  | { readonly kind: 'handed-over'; readonly sessionId: string; readonly atMs: number }
  /** `expired`: after a week without a message. */
  | {
      readonly kind: 'given-back';
      readonly sessionId: string;
      readonly atMs: number;
      readonly sinceMs: number;
      readonly cause: 'asked' | 'expired';
    }
  | { readonly kind: 'message'; readonly sessionId: string; readonly turnId: string; readonly atMs: number };

/** A handed-over session waits this long for a message, in place of its idle timeout if that is shorter. */
export const handedOverForMs = 7 * 24 * 60 * 60 * 1000;

/** As long as a reason needs to be, and no message. */
export const maxReasonCharacters = 500;
export const maxAuthorCharacters = 100;

/** The reply to a message of the user that waits for a person. */
export function handedOverReply(
  turnId: string,
  sessionId: string,
  { remainingUsd, requestHash }: { readonly remainingUsd: number; readonly requestHash: string | undefined },
): ChatReply {
  return {
    ...personReply(turnId, sessionId, ''),
    handed_over: true,
    remaining_budget: remainingUsd,
    ...(requestHash !== undefined && { request_hash: requestHash }),
  };
}

/** What a person said, in the place of a model's answer. */
export function personReply(turnId: string, sessionId: string, content: string): ChatReply {
  return {
    turn_id: turnId,
    session_id: sessionId,
    content,
    provider: 'person',
    model: null,
    handler: null,
    canary: false,
    attempts: 0,
    latency_ms: 0,
    tokens_used: 0,
    cost_usd: 0,
    unconfirmed_usd: 0,
    cost_nano_usd: 0,
    unconfirmed_nano_usd: 0,
    success: true,
    error: null,
    finish_reason: 'stop',
    blocked: false,
    remaining_budget: 0,
  };
}
