import { ApplicationFailure, proxyLocalActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/create-activities';
import type { ChatReply, SendMessageInput } from '../contract/chat';
import { failureTypes } from '../contract/failures';
import {
  type HandedOver,
  handedOverForMs,
  handedOverReply,
  type HandOverInput,
  type PersonMessage,
  type PersonMessageInput,
  personReply,
} from '../contract/hand-off';
import type { ConversationState } from './conversation-state';

/** As long as the ledger's own retries, and a little more. */
const { recordHandOff } = proxyLocalActivities<Activities>({ startToCloseTimeout: '40 seconds' });

/** Whether a person answers in a conversation. Its methods are called one at a time, between the conversation's turns. */
export class HandOff {
  constructor(
    private readonly sessionId: string,
    private readonly state: ConversationState,
    private handedOver: HandedOver | null,
  ) {}

  /** null: the model answers. */
  get current(): HandedOver | null {
    return this.handedOver;
  }

  /** How long the conversation waits for a message. */
  waitMs(idleTimeoutMs: number): number {
    return this.handedOver === null ? idleTimeoutMs : Math.max(idleTimeoutMs, handedOverForMs);
  }

  async begin({ reason }: HandOverInput): Promise<HandedOver> {
    if (this.handedOver !== null) return this.handedOver;
    const begun = { sinceMs: Date.now(), ...(reason !== undefined && { reason }) };
    await recordHandOff({ kind: 'handed-over', sessionId: this.sessionId, atMs: begun.sinceMs });
    this.handedOver = begun;
    return begun;
  }

  /** What was said meanwhile stays, and the model sees it. */
  async end(cause: 'asked' | 'expired'): Promise<void> {
    if (this.handedOver === null) return;
    const { sessionId, handedOver } = this;
    const { sinceMs } = handedOver;
    await recordHandOff({ kind: 'given-back', sessionId, atMs: Date.now(), sinceMs, cause });
    this.handedOver = null;
  }

  /** Takes a message of the user, which waits for the person. */
  async takeFromUser({ turnId, content, messages, requestHash }: SendMessageInput): Promise<ChatReply> {
    const { sessionId } = this;
    const atMs = Date.now();
    const remainingUsd = await recordHandOff({ kind: 'message', sessionId, turnId, atMs });
    const reply = handedOverReply(turnId, sessionId, { remainingUsd, requestHash });
    this.state.add({ turnId, atMs, userContent: content, ...(messages && { messages }), reply });
    return reply;
  }

  takeFromPerson({ messageId, content, author }: PersonMessageInput): PersonMessage {
    const known = this.state.personMessage(messageId);
    if (known !== undefined) return known;
    if (this.handedOver === null) {
      throw ApplicationFailure.nonRetryable(
        `Session ${this.sessionId} is not handed over: the model answers in it.`,
        failureTypes.notHandedOver,
      );
    }
    const atMs = Date.now();
    const reply = personReply(messageId, this.sessionId, content);
    const person = author === undefined ? {} : { author };
    this.state.add({ turnId: messageId, atMs, userContent: '', messages: [], person, reply });
    return { messageId, atMs };
  }
}
