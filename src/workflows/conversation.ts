import {
  allHandlersFinished,
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  makeContinueAsNewFunc,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type {
  ChatReply,
  ConversationInput,
  ConversationResult,
  ConversationSpend,
  SendMessageInput,
  Transcript,
} from '../contract/chat';
import { failureTypes } from '../contract/failures';
import { limits } from '../contract/limits';
import * as names from '../contract/names';
import { idProblem, sendMessageProblem } from '../domain/validate-input';
import { closeLedgerSession } from './close-session';
import { ConversationState } from './conversation-state';
import { describeConversation, ShownState, spendMemo } from './operator-view';
import { runTurn } from './run-turn';

export const sendMessage = defineUpdate<ChatReply, [SendMessageInput]>(names.sendMessageUpdate);
export const close = defineSignal<[reason?: string]>(names.closeSignal);
export const transcript = defineQuery<Transcript>(names.transcriptQuery);
export const spend = defineQuery<ConversationSpend>(names.spendQuery);

const dayMs = 24 * 60 * 60 * 1000;

/** Past this many events a busy conversation takes no new turns until it has continued as new; Temporal warns at 10,240. */
const drainAtEvents = 8_000;

/** One session's conversation: its turns in order, one at a time, until it is closed or nobody has written for a day. */
export async function conversation(input: ConversationInput): Promise<ConversationResult> {
  const problem = idProblem('sessionId', input.sessionId);
  if (problem) throw ApplicationFailure.nonRetryable(problem, failureTypes.invalidInput);

  const state = new ConversationState(input.sessionId, input.systemPrompt, input.carried);
  const shown = new ShownState(input.sessionId);
  const idleTimeoutMs = input.idleTimeoutMs ?? dayMs;
  let lastActivityAtMs = input.carried?.lastActivityAtMs ?? Date.now();
  let closing = false;
  let unfinishedTurns = 0;
  let previousTurn: Promise<unknown> = Promise.resolve();

  setHandler(sendMessage, answerInOrder, { validator: refuseEarly, description: 'One turn; the update id is the turn id.' });
  setHandler(close, () => void (closing = true));
  setHandler(transcript, () => state.transcript(closing ? 'closed' : 'open'));
  setHandler(spend, () => state.spend());

  while (!closing && !continueAsNewIsDue()) {
    const idleLeftMs = lastActivityAtMs + idleTimeoutMs - Date.now();
    if (idleLeftMs <= 0 && unfinishedTurns === 0) break;
    await condition(() => closing || continueAsNewIsDue(), Math.max(idleLeftMs, 1));
  }
  await condition(allHandlersFinished);

  if (!closing && continueAsNewIsDue()) {
    const continueAsNew = makeContinueAsNewFunc<typeof conversation>({ memo: spendMemo(state.spend()) });
    await continueAsNew({ ...input, carried: state.carry(lastActivityAtMs) });
  }
  if (closing) await closeLedgerSession(input.sessionId);
  shown.closed(state.spend());
  return { closedBecause: closing ? 'signal' : 'idle', spend: state.spend() };

  function continueAsNewIsDue(): boolean {
    return workflowInfo().continueAsNewSuggested && unfinishedTurns === 0;
  }

  async function answerInOrder(message: SendMessageInput): Promise<ChatReply> {
    unfinishedTurns += 1;
    const turn = previousTurn.then(() => answer(message));
    // The next turn waits for this one, however it ends; its failure is its own caller's to see.
    previousTurn = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      unfinishedTurns -= 1;
      lastActivityAtMs = Date.now();
    }
  }

  async function answer(message: SendMessageInput): Promise<ChatReply> {
    const repeated = state.replyTo(message.turnId);
    if (repeated) return repeated;

    const { turnId, content, userId, language, temperature, maxTokens } = message;
    const messages = state.windowWith(content);
    const turn = { turnId, sessionId: input.sessionId, userId: userId ?? null, messages, language, temperature, maxTokens };
    const reply = await runTurn(turn);
    state.add({ turnId, atMs: Date.now(), userContent: content, reply });
    shown.turnEnded(reply);
    setCurrentDetails(describeConversation(state));
    return reply;
  }

  function refuseEarly(message: SendMessageInput): void {
    const problem = sendMessageProblem(message);
    if (problem) throw ApplicationFailure.nonRetryable(problem, failureTypes.invalidInput);
    if (closing) {
      throw ApplicationFailure.nonRetryable(`Session ${input.sessionId} is closed.`, failureTypes.conversationClosed);
    }
    if (unfinishedTurns >= limits.maxQueuedTurns || workflowInfo().historyLength > drainAtEvents) {
      throw ApplicationFailure.nonRetryable(
        `Session ${input.sessionId} has ${unfinishedTurns} unfinished turns, the limit is ${limits.maxQueuedTurns}. Wait for an answer before sending more.`,
        failureTypes.queueFull,
      );
    }
  }
}
