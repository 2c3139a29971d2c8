import {
  allHandlersFinished,
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  makeContinueAsNewFunc,
  patched,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
  type WorkflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/create-activities';
import type {
  ChatReply,
  ConversationInput,
  ConversationOutline,
  ConversationResult,
  ConversationSpend,
  SendMessageInput,
  Transcript,
} from '../contract/chat';
import { failureTypes } from '../contract/failures';
import type { HandedOver, HandOverInput, PersonMessage, PersonMessageInput } from '../contract/hand-off';
import * as names from '../contract/names';
import type { Problem } from '../contract/problem';
import { handOverProblem, personMessageProblem } from '../domain/turn/validate-hand-off';
import { valueInWords, conversationFieldsProblem, sendMessageFieldsProblem } from '../domain/turn/validate-input';
import { ConversationState, newMessages } from './conversation-state';
import { HandOff } from './hand-off';
import { describeConversation, ShownState, spendMemo } from './operator-view';
import { refuseInvalid } from './refuse-invalid';
import { runTurn } from './run-turn';
import { type QueuedTurn, TurnQueue } from './turn-queue';
import { stopTurn, type TurnStop } from './turn-stop';

const sendMessage = defineUpdate<ChatReply, [SendMessageInput]>(names.sendMessageUpdate);
const handOver = defineUpdate<HandedOver, [HandOverInput]>(names.handOverUpdate);
const giveBack = defineUpdate<void>(names.giveBackUpdate);
const addMessage = defineUpdate<PersonMessage, [PersonMessageInput]>(names.addMessageUpdate);
const close = defineSignal<[reason?: string]>(names.closeSignal);
const transcript = defineQuery<Transcript>(names.transcriptQuery);
const spend = defineQuery<ConversationSpend>(names.spendQuery);
const outline = defineQuery<ConversationOutline>(names.outlineQuery);

/** The ledger itself retries for 30 s when its database is unavailable. */
const { closeSession, askToStop } = proxyLocalActivities<Activities>({ startToCloseTimeout: '40 seconds' });

/** In the queue of turns, in place of a turn's id. */
const noTurn = '';

const dayMs = 24 * 60 * 60 * 1000;

/** One session's conversation: runs its turns one at a time, in order, until it is closed or has been idle for a day. */
export async function conversation(input: ConversationInput): Promise<ConversationResult> {
  refuseInvalid(conversationFieldsProblem(input));

  const state = new ConversationState(input.sessionId, input.systemPrompt, input.carried, input.history);
  const handOff = new HandOff(input.sessionId, state, input.carried?.handedOver ?? null);
  const shownState = new ShownState(input.sessionId);
  const idleTimeoutMs = input.idleTimeoutMs ?? dayMs;
  let lastActivityAtMs = input.carried?.lastActivityAtMs ?? Date.now();
  let isOver = false;
  const turns = new TurnQueue();

  setHandler(sendMessage, answerInOrder, {
    validator: validateMessage,
    description: 'One turn; the update id is the turn id.',
  });
  setHandler(handOver, (asked) => inOrder(() => handOff.begin(asked)), {
    validator: (asked) => validate(handOverProblem(asked)),
    description: 'A person answers in place of the model, once the turns before are answered.',
  });
  setHandler(giveBack, () => inOrder(() => handOff.end('asked')), { validator: () => validate(null) });
  setHandler(addMessage, (message) => inOrder(async () => handOff.takeFromPerson(message)), {
    validator: (message) => validate(personMessageProblem(message)),
    description: "A person's message to the user.",
  });
  setHandler(close, () => void (state.closing = true));
  setHandler(stopTurn, (turnId) => turns.stop(turnId));
  setHandler(transcript, () => state.transcript(state.closing ? 'closed' : 'open', handOff.current));
  setHandler(spend, () => state.spend());
  setHandler(outline, () => state.outline(state.closing || isOver ? 'closed' : 'open'));

  while (!state.closing && !continueAsNewIsDue()) {
    const { current } = handOff;
    const idleLeftMs = lastActivityAtMs + handOff.waitMs(idleTimeoutMs) - Date.now();
    const isOtherwise = (): boolean => state.closing || continueAsNewIsDue() || handOff.current !== current;
    if (idleLeftMs > 0) await condition(isOtherwise, idleLeftMs);
    else if (turns.size > 0) await condition(() => turns.size === 0);
    else if (current !== null) await handOff.end('expired');
    else break;
  }
  await condition(allHandlersFinished);

  if (!state.closing && continueAsNewIsDue()) {
    const continueAsNew = makeContinueAsNewFunc<typeof conversation>({ memo: spendMemo(state.spend()) });
    await continueAsNew({ ...input, ...state.carry(lastActivityAtMs, handOff.current) });
  }
  isOver = true;
  // From here on the ledger refuses the session's turns, including those that would start a new workflow.
  if (state.closing) await closeSession(input.sessionId);
  shownState.closed(state.spend());
  return { closedBecause: state.closing ? 'signal' : 'idle', spend: state.spend() };

  function continueAsNewIsDue(): boolean {
    return workflowInfo().continueAsNewSuggested && turns.size === 0;
  }

  /** For what is no turn, between turns. */
  async function inOrder<Answer>(work: () => Promise<Answer>): Promise<Answer> {
    const place = turns.enter(noTurn);
    try {
      await place.mayBegin;
      return await work();
    } finally {
      lastActivityAtMs = Date.now();
      turns.leave(place);
    }
  }

  async function answerInOrder(message: SendMessageInput): Promise<ChatReply> {
    const turn = turns.enter(message.turnId);
    // The next turn waits for this one to end, even if it fails; only its own caller sees the failure.
    try {
      const isNew = state.replyTo(message.turnId) === undefined;
      if (message.whileBusy === 'interrupt' && isNew && turns.size > 1)
        await stopTurns(turns.before(turn).filter(({ turnId }) => turnId !== noTurn));
      await turn.mayBegin;
      const reply = await answer(message, turn.stop);
      if (reply.stopped) await turns.hearFirst();
      return reply;
    } finally {
      lastActivityAtMs = Date.now();
      turns.leave(turn);
    }
  }

  async function stopTurns(stopped: readonly QueuedTurn[]): Promise<void> {
    // First in the ledger: those that wait are then not admitted.
    await Promise.all(stopped.map(({ turnId }) => askToStop({ turnNames: [names.turnName(turnId, input.sessionId)] })));
    for (const { turnId } of stopped) turns.stop(turnId);
  }

  async function answer(message: SendMessageInput, stop: TurnStop): Promise<ChatReply> {
    const repeated = state.replyTo(message.turnId);
    if (repeated) return repeated;
    if (handOff.current !== null && !stop.isAsked) return handOff.takeFromUser(message);

    const {
      turnId,
      content,
      messages,
      userId,
      branch: askedBranch,
      instructions,
      whileBusy: _whileBusy,
      ...options
    } = message;
    // A turn that an older worker has run followed the latest one.
    const isOnBranch = askedBranch !== undefined && patched('turns-stand-on-branches');
    if (isOnBranch && !state.canFollow(askedBranch)) {
      refuseInvalid({
        path: ['branch', 'after'],
        code: 'unknown-reference',
        message: `names a turn that session ${input.sessionId} does not remember: ${valueInWords(askedBranch.after)}`,
      });
    }
    const placed = isOnBranch ? state.placed(askedBranch) : undefined;
    const branch = placed && { ...placed, systemPrompt: askedBranch?.systemPrompt };
    const orphanedCallId = state.orphanedCallIn(newMessages(message), branch);
    if (orphanedCallId !== null && patched('lost-calls-are-refused')) {
      refuseInvalid({
        path: ['messages', 0, 'tool_call_id'],
        code: 'unknown-reference',
        message: `names a call that session ${input.sessionId} does not know: ${valueInWords(orphanedCallId)}. Send the assistant's message with its tool_calls before the result`,
      });
    }
    const turn = {
      ...options,
      turnId,
      name: names.turnName(turnId, input.sessionId),
      sessionId: input.sessionId,
      userId: userId ?? null,
      messages: state.windowWith(newMessages(message), branch, instructions),
      ...asksAgain(state.askedBefore(message, Date.now())),
    };
    try {
      const reply = await runTurn(turn, stop);
      // Nobody has seen anything of it.
      if (reply.stopped && reply.attempts === 0) return reply;
      const asked = { userContent: content, ...(messages && { messages }), ...(placed && { branch: placed }) };
      state.add({ turnId, atMs: Date.now(), ...asked, reply });
      shownState.turnEnded(reply);
      setCurrentDetails(describeConversation(state));
      return reply;
    } catch (error) {
      state.closing ||= error instanceof ApplicationFailure && error.type === failureTypes.conversationClosed;
      throw error;
    }
  }

  function asksAgain(earlier: string | null): { readonly asksAgain?: string } {
    return earlier === null ? {} : { asksAgain: names.turnName(earlier, input.sessionId) };
  }

  function validateMessage(message: SendMessageInput): void {
    validate(sendMessageFieldsProblem(message));
    if (message.whileBusy === 'reject' && turns.size > 0 && state.replyTo(message.turnId) === undefined) {
      throw ApplicationFailure.nonRetryable(
        `Session ${input.sessionId} has a turn that has not ended, and this message was not to wait for it.`,
        failureTypes.sessionBusy,
      );
    }
  }

  function validate(problem: Problem | null): void {
    refuseInvalid(problem);
    if (state.closing) {
      throw ApplicationFailure.nonRetryable(`Session ${input.sessionId} is closed.`, failureTypes.conversationClosed);
    }
    const fullHistory = historyFullReason(input.sessionId, workflowInfo(), turns.size);
    if (fullHistory !== null) throw ApplicationFailure.nonRetryable(fullHistory, failureTypes.queueFull);
  }
}

/** Beyond this many events, a busy conversation accepts no new turns until it has continued as new. Temporal warns at 10,240. */
const drainAtEvents = 8_000;
/** The same for the size of the history: Temporal warns at 10 MB and terminates a workflow at 50 MB; 8 queued turns may add 16 MB. */
const drainAtBytes = 20 * 1024 * 1024;

/** Why a conversation accepts no new turns until it has continued as new; null while its history has room. */
export function historyFullReason(
  sessionId: string,
  { historyLength, historySize }: Pick<WorkflowInfo, 'historyLength' | 'historySize'>,
  unfinishedTurns: number,
): string | null {
  if (historyLength <= drainAtEvents && historySize <= drainAtBytes) return null;
  return `The history of session ${sessionId} has ${historyLength} events and ${historySize} bytes. Beyond ${drainAtEvents} events or ${drainAtBytes} bytes it accepts no new turns until its ${unfinishedTurns} turns in flight are answered and it has continued as new. Wait for their answers before sending more.`;
}
