import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import {
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { Client, Workflow } from '@temporalio/client';
import { LRUCache } from 'lru-cache';
import { idOf } from '../config/id-of';
import type {
  ChatReply,
  ChatTurnInput,
  ConversationInput,
  ConversationOutline,
  ConversationSpend,
  RequestOptions,
  SendMessageInput,
  Transcript,
} from '../contract/chat';
import type { HandedOver, HandOverInput, PersonMessage } from '../contract/hand-off';
import * as names from '../contract/names';
import type { ModelRequestInput } from '../contract/operations';
import type { Problem } from '../contract/problem';
import type { StopInput } from '../contract/turn';
import type { TurnState } from '../contract/turn-stops';
import type { FeedbackSignal } from '../contract/user-evidence';
import { feedbackProblem } from '../domain/turn/feedback';
import { handOverProblem, personMessageProblem } from '../domain/turn/validate-hand-off';
import { chatTurnProblem, conversationProblem, idProblem, sendMessageProblem } from '../domain/turn/validate-input';
import {
  BudgetRefusedError,
  DeadlineExceededError,
  InvalidInputError,
  isPassing,
  isPassingForUpdateWithStart,
  isTooLate,
  isUnreachable,
  translateError,
} from './errors';
import { giveFeedback, refuseUnrecorded } from './feedback';
import { canonicalJson } from '../domain/canonical-json';
import { sha256 } from '../platform/sha256';
import { activeTraceContext } from '../tracing/spans';
import { withoutPersonalData } from './personal-ids';
import { addPersonMessage, giveSessionBack, handOverSession, type NewPersonMessage } from './hand-off';
import { closeConversation } from './session-end';
import { latestPollAtMs, probeStart, requireNamespace } from './probes';
import { joinTurn, TurnWatch, updateResult } from './turn-watch';
import { readInput } from './turn-input';
import { SessionQueues } from './session-queues';
import { askToStop, isAtWork, tellWorkflows } from './stop-turn';
import { waitOut } from './wait-out';

/** The default policy's longest turn takes 180 s; a worker that dies meanwhile costs about 10 s more. */
const defaultDeadlineMs = 200_000;

/**
 * For a start over a worker's connection, which retries by itself and stops only at a deadline. A start takes
 * milliseconds.
 */
const startTimeoutMs = 5_000;

/**
 * The longest turn that a configuration allows takes an hour, and recording it another hour while the ledger is
 * unavailable. A turn that has not ended by then, such as one whose task keeps failing, never would.
 */
const turnExecutionTimeout = '3 hours';

/** For this long after a successful start, `check` assumes that Temporal still takes new workflows. */
const startProvesForMs = 60_000;

/** A few megabytes at most. A forgotten session costs its next turn two milliseconds. */
const rememberedSessions = 10_000;

export interface SendOptions extends Omit<SendMessageInput, 'turnId'>, Omit<ConversationInput, 'carried'> {
  /** Identifies the turn: the same id returns the same answer, whatever failed in between. Generated when omitted. */
  readonly turnId?: string;
  /** Milliseconds to wait for the answer. Default 200,000. A turn that no worker has begun by then is never begun. */
  readonly deadlineMs?: number;
}

export interface CompleteOptions extends Omit<ChatTurnInput, 'turnId'> {
  readonly turnId?: string;
  readonly deadlineMs?: number;
}

type OneShotInput = ChatTurnInput | ModelRequestInput;

type Named<Options> = Options & { readonly turnId: string };

export interface JoinOptions {
  readonly sessionId?: string;
  /** Milliseconds to wait for the answer. Default 200,000. */
  readonly deadlineMs?: number;
}

export interface CancelOptions {
  readonly sessionId?: string;
  /** Milliseconds to wait for a worker to take the request. Default 30,000. */
  readonly deadlineMs?: number;
}

export interface FeedbackOptions {
  readonly sessionId?: string;
  /** Milliseconds to wait for a worker to record it. Default 30,000. */
  readonly deadlineMs?: number;
}

/** Sends chat turns that survive failures. Create one per process and share it between all callers. */
export class BellwetherClient {
  private readonly openSessions = new LRUCache<string, true>({ max: rememberedSessions });
  private readonly sessionQueues = new SessionQueues();
  /** The abort controllers of all calls in progress. */
  private readonly waiting = new Set<AbortController>();
  private isDisconnected = false;
  /** When Temporal last took a new workflow, by the monotonic clock; -Infinity if it did not take the last one. */
  private startedAtMs = -Infinity;
  private readonly starter: Client | undefined;
  private readonly idKey: Uint8Array | undefined;

  /**
   * @param options `idKey` hides sessions that are named by personal data. `starter` uses the connection of a worker in
   * this process, on the same task queue: that worker receives the turns that `complete` starts in the response to the
   * start, so the server need not look for a worker, and the caller waits less.
   */
  constructor(
    private readonly temporal: Client,
    private readonly taskQueue: string,
    { starter, idKey }: { readonly starter?: Client; readonly idKey?: Uint8Array | undefined } = {},
  ) {
    this.starter = starter;
    this.idKey = idKey;
  }

  /** The id under which Temporal and the ledger know a session; see `withoutPersonalData`. */
  storedSessionId(sessionId: string): string {
    return withoutPersonalData(sessionId, this.idKey);
  }

  /**
   * Sends one message of a session and waits for its answer. Turns of a session are answered in order.
   *
   * When every model of the chain fails, the reply still arrives: `success` is false and `content` apologises.
   * @throws {InvalidInputError} names the field and the limit; also when another request of the session used the turn
   * id
   * @throws {BudgetRefusedError} a budget is used up; its `reply` can be shown to the user
   * @throws {QueueFullError} the session has too many unfinished turns
   * @throws {SessionBusyError} with `whileBusy: 'reject'`: the session has an unfinished turn
   * @throws {TurnStoppedError} the turn was stopped before it was sent; one that was stopped later has a reply with
   * `stopped`
   * @throws {ConversationClosedError} the session was closed
   * @throws {DeadlineExceededError} no answer in time; a turn that has begun goes on, and the same turn id joins it
   * @throws {TurnTooLateError} no worker took the turn by `startByMs`, so it was not begun
   * @throws {TurnNotSentError} it waited for earlier turns of its session until its deadline
   * @throws {TurnHopelessError} no worker survived the turn, so it was ended
   * @throws {TurnNotKeptError} the turn id was answered before, and the answer is no longer kept
   * @throws {TemporalUnreachableError}
   */
  async send(options: SendOptions): Promise<ChatReply> {
    const named = withIds(options);
    refuseInvalid(conversationProblem(named) ?? sendMessageProblem(named));
    return this.sendChecked(named);
  }

  /** Like `send`, for options that the caller, such as the gateway, has already validated. */
  async sendChecked(options: Named<SendOptions>): Promise<ChatReply> {
    const {
      sessionId: givenId,
      systemPrompt,
      history,
      idleTimeoutMs,
      deadlineMs = defaultDeadlineMs,
      ...rest
    } = options;
    const sessionId = this.storedSessionId(givenId);
    const { turnId } = rest;
    const startByMs = startByOf(options);
    const message: SendMessageInput = { ...rest, ...traceOf(rest), turnId, requestHash: requestHashOf(rest) };
    const conversation = { sessionId, systemPrompt, history, idleTimeoutMs };
    const reply = await this.sessionQueues.answer({
      sessionId,
      turnId,
      deadlineMs,
      whileBusy: rest.whileBusy,
      send: (leftMs) => {
        if (rest.whileBusy === 'interrupt') void this.stopOthers(sessionId, turnId);
        const watch = this.watch(names.conversationWorkflowId(sessionId), turnId);
        const update = (round: number) =>
          this.update(sessionId, { ...message, ...inRound(round, startByMs) }, round, conversation, watch);
        const call = () => watch.over(() => untilBegun(startByMs, update));
        return this.persist(call, `Turn ${turnId}`, leftMs, isPassingForUpdateWithStart);
      },
      untilOver: () => this.untilOver(sessionId, turnId),
    });
    return refuseBlocked(answerTo(message, reply));
  }

  /**
   * Answers one request that carries its whole history. Throws what `send` throws, except the errors of sessions.
   */
  async complete(options: CompleteOptions): Promise<ChatReply> {
    const named = withIds(options);
    refuseInvalid(chatTurnProblem(named));
    return this.completeChecked(named);
  }

  /**
   * Like `complete`, for options that the caller, such as the gateway, has already validated. `onBegun` hears once Temporal has
   * the turn, which then goes on without this process.
   */
  async completeChecked(options: Named<CompleteOptions>, onBegun?: () => void): Promise<ChatReply> {
    const { deadlineMs = defaultDeadlineMs, ...given } = options;
    const rest = given.sessionId === undefined ? given : { ...given, sessionId: this.storedSessionId(given.sessionId) };
    const input: ChatTurnInput = { ...rest, ...traceOf(rest), requestHash: requestHashOf(rest) };
    const workflowId = names.turnWorkflowId(rest.turnId, input.sessionId ?? null);
    return this.runOneShot(names.chatTurnWorkflowType, workflowId, input, startByOf(options), deadlineMs, onBegun);
  }

  /**
   * Asks a model for vectors or a moderation, for a caller that has validated the request, such as the gateway. Throws what
   * `complete` throws.
   */
  async requestChecked(options: ModelRequestInput & Pick<CompleteOptions, 'deadlineMs'>): Promise<ChatReply> {
    const { deadlineMs = defaultDeadlineMs, ...rest } = options;
    const input: ModelRequestInput = { ...rest, ...traceOf(rest), requestHash: requestHashOf(rest) };
    const workflowId = names.turnWorkflowId(rest.turnId, null);
    return this.runOneShot(names.modelRequestWorkflowType, workflowId, input, startByOf(options), deadlineMs);
  }

  private async runOneShot(
    workflowType: string,
    workflowId: string,
    input: OneShotInput,
    startByMs: number,
    deadlineMs: number,
    onBegun?: () => void,
  ): Promise<ChatReply> {
    const { turnId } = input;
    const watch = this.watch(workflowId, turnId);
    const begin = async (round: number): Promise<ChatReply> => {
      try {
        await this.startTurn(workflowType, workflowId, { ...input, ...inRound(round, startByMs) }, deadlineMs, round);
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      }
      onBegun?.();
      return (await this.temporal.workflow.getHandle(workflowId).result()) as ChatReply;
    };
    const reply = await this.persist(
      () => watch.over(() => untilBegun(startByMs, begin)),
      `Turn ${turnId}`,
      deadlineMs,
    );
    return refuseBlocked(answerTo(input, reply));
  }

  /**
   * Waits for a turn that was started earlier, here or elsewhere, and returns its reply, even if a budget refused it.
   * `sessionId` is the session that the turn was sent to, or whose budget a one-shot turn uses. The text of a session's
   * turn is kept as long as the transcript holds it.
   * @throws {TurnNotFoundError}
   * @throws {TurnFailedError} it was cancelled or terminated
   * @throws {TurnTooLateError} it was never begun
   * @throws {DeadlineExceededError} it has no answer yet
   * @throws {TemporalUnreachableError}
   */
  async turn(turnId: string, options: JoinOptions = {}): Promise<ChatReply> {
    const { sessionId: givenId, deadlineMs = defaultDeadlineMs } = options;
    refuseInvalid(idProblem(['turnId'], turnId) ?? (givenId === undefined ? null : idProblem(['sessionId'], givenId)));
    const sessionId = givenId === undefined ? undefined : this.storedSessionId(givenId);
    const workflowId =
      sessionId === undefined ? names.turnWorkflowId(turnId, null) : names.conversationWorkflowId(sessionId);
    const watch = this.watch(workflowId, turnId);
    const join = () => watch.over(() => joinTurn(this.temporal, turnId, sessionId));
    return withoutHash(await this.persist(join, `Turn ${turnId}`, deadlineMs));
  }

  /**
   * Stops a turn: the provider's call is broken off, nothing else is tried, and what readers were shown stays in the session.
   * A turn that has not begun never will. `sessionId` is the session that the turn was sent to, or whose budget a one-shot turn
   * uses. Safe to repeat.
   * @returns the turn's state before: `in-progress` if it is being stopped, otherwise how it had ended. `turn` waits for its end
   * @throws {InvalidInputError} names the field
   * @throws {DeadlineExceededError} no worker took the request in time
   * @throws {TemporalUnreachableError}
   */
  async cancelTurn(turnId: string, options: CancelOptions = {}): Promise<TurnState> {
    const { sessionId: givenId, deadlineMs = questionDeadlineMs } = options;
    refuseInvalid(idProblem(['turnId'], turnId) ?? (givenId === undefined ? null : idProblem(['sessionId'], givenId)));
    const sessionId = givenId === undefined ? null : this.storedSessionId(givenId);
    if (sessionId !== null) this.sessionQueues.stop(sessionId, turnId);
    const turnNames = [...new Set([names.turnName(turnId, sessionId), names.oneShotTurnName(turnId, sessionId)])];
    const workflowIds = [names.turnWorkflowId(turnId, sessionId)];
    if (sessionId !== null) workflowIds.push(names.conversationWorkflowId(sessionId));
    const subject = `The stop of turn ${turnId}`;
    const state = await this.askToStop({ turnNames }, subject, deadlineMs);
    if (state !== 'in-progress') return state;
    await this.persist(() => tellWorkflows(this.temporal, turnId, workflowIds), subject, deadlineMs);
    return state;
  }

  /**
   * What a one-shot turn was asked, as long as Temporal keeps it.
   * @throws {TurnNotFoundError}
   * @throws {TemporalUnreachableError}
   */
  async asked(turnId: string, deadlineMs = questionDeadlineMs): Promise<ChatTurnInput> {
    refuseInvalid(idProblem(['turnId'], turnId));
    return this.persist(() => readInput(this.temporal, turnId), `Turn ${turnId}`, deadlineMs);
  }

  /**
   * Records what a user, or whoever serves them, says about a turn: `up`, `down`, `handoff` (a person had to take over) or
   * `resolved`. The last signal of a turn counts. Takes signals for 7 days, also while the answer is still coming.
   * `sessionId` is the session that the turn was sent to, or whose budget a one-shot turn uses.
   * @throws {InvalidInputError} names the field
   * @throws {TurnNotFoundError} there is no such turn, or a budget refused it
   * @throws {FeedbackTooLateError}
   * @throws {DeadlineExceededError} no worker took it in time
   * @throws {TemporalUnreachableError}
   */
  async feedback(turnId: string, signal: FeedbackSignal, options: FeedbackOptions = {}): Promise<void> {
    const { sessionId, deadlineMs = questionDeadlineMs } = options;
    const given = { turnId, signal, ...(sessionId !== undefined && { sessionId }) };
    refuseInvalid(feedbackProblem(given));
    const input = { ...given, ...(sessionId !== undefined && { sessionId: this.storedSessionId(sessionId) }) };
    const workflowId = names.feedbackWorkflowId(randomUUID());
    const { temporal, taskQueue } = this;
    const give = () => giveFeedback(temporal, { input, workflowId, taskQueue, deadlineMs });
    refuseUnrecorded(turnId, await this.persist(give, `Feedback on turn ${turnId}`, deadlineMs));
  }

  /** The session's most recent turns, oldest first. @throws {ConversationNotFoundError} */
  async transcript(sessionId: string): Promise<Transcript> {
    const transcript = await this.ask(sessionId, (handle) => handle.query<Transcript>(names.transcriptQuery));
    return { ...transcript, turns: transcript.turns.map((turn) => ({ ...turn, reply: withoutHash(turn.reply) })) };
  }

  /** What the session has cost so far. @throws {ConversationNotFoundError} */
  async spend(sessionId: string): Promise<ConversationSpend> {
    return this.ask(sessionId, (handle) => handle.query<ConversationSpend>(names.spendQuery));
  }

  /**
   * What the session remembers, as fingerprints: by it a gateway finds where the history that a request brings belongs.
   * Waits for a worker and for the running turn no longer than `deadlineMs`.
   * @throws {ConversationNotFoundError}
   */
  async outline(sessionId: string, deadlineMs = questionDeadlineMs): Promise<ConversationOutline> {
    return this.ask(sessionId, (handle) => handle.query<ConversationOutline>(names.outlineQuery), deadlineMs);
  }

  /**
   * Closes the session once the turns that Temporal has accepted are answered. Turns still waiting in this client are
   * refused.
   * @throws {ConversationNotFoundError}
   */
  async close(sessionId: string, reason?: string): Promise<void> {
    await this.ask(sessionId, (handle) => handle.signal(names.closeSignal, reason));
  }

  /**
   * From now on a person answers in the session: messages of its user get an empty reply with `handed_over`, and no model is
   * called. Turns that are under way are answered first. A session that is handed over already stays so, and keeps its reason.
   * @throws {InvalidInputError} names the field and the limit
   * @throws {ConversationClosedError}
   * @throws {DeadlineExceededError}
   * @throws {TemporalUnreachableError}
   */
  async handOver(sessionId: string, input: HandOverInput = {}): Promise<HandedOver> {
    refuseInvalid(idProblem(['sessionId'], sessionId) ?? handOverProblem(input));
    const asked = { input, updateId: randomUUID() };
    const stored = this.storedSessionId(sessionId);
    const call = () => handOverSession(this.temporal, this.taskQueue, stored, asked);
    return this.persist(call, `Session ${sessionId}`, defaultDeadlineMs, isPassingForUpdateWithStart);
  }

  /**
   * Puts what a person says into a handed-over session. `transcript` shows it, and the model will see it.
   * @throws {InvalidInputError} names the field and the limit
   * @throws {NotHandedOverError}
   * @throws {ConversationClosedError}
   * @throws {ConversationNotFoundError} it has ended
   * @throws {DeadlineExceededError}
   * @throws {TemporalUnreachableError}
   */
  async addMessage(sessionId: string, message: NewPersonMessage): Promise<PersonMessage> {
    const named = { ...message, messageId: message.messageId ?? randomUUID() };
    refuseInvalid(idProblem(['sessionId'], sessionId) ?? personMessageProblem(named));
    const stored = this.storedSessionId(sessionId);
    const call = () => addPersonMessage(this.temporal, stored, named);
    return this.persist(call, `Session ${sessionId}`, defaultDeadlineMs);
  }

  /**
   * The model answers again, and sees what user and person have said meanwhile. A session that is not handed over stays so.
   * @throws {ConversationClosedError}
   * @throws {ConversationNotFoundError} it has ended
   * @throws {DeadlineExceededError}
   * @throws {TemporalUnreachableError}
   */
  async giveBack(sessionId: string): Promise<void> {
    refuseInvalid(idProblem(['sessionId'], sessionId));
    const updateId = randomUUID();
    const call = () => giveSessionBack(this.temporal, this.storedSessionId(sessionId), updateId);
    await this.persist(call, `Session ${sessionId}`, defaultDeadlineMs);
  }

  /** Like `close`, also for a session whose conversation has ended: it takes no more messages either. Safe to repeat. */
  async closeAlways(sessionId: string, reason?: string): Promise<void> {
    refuseInvalid(idProblem(['sessionId'], sessionId));
    const stored = this.storedSessionId(sessionId);
    const close = () => closeConversation(this.temporal, this.taskQueue, stored, reason);
    await this.persist(close, `Session ${sessionId}`, questionDeadlineMs);
  }

  /**
   * Resolves if Temporal takes new turns; gives up after `timeoutMs`. Starts a probe workflow if no turn was started within
   * the last minute, or the last start failed.
   */
  async check(timeoutMs: number): Promise<void> {
    const { workflowService } = this.temporal.connection;
    const isProven = performance.now() - this.startedAtMs < startProvesForMs;
    try {
      if (isProven) await this.askOnce(() => workflowService.getSystemInfo({}), timeoutMs);
      else {
        await this.askOnce(() => probeStart(this.temporal, this.place), timeoutMs);
        this.startedAtMs = performance.now();
      }
    } catch (error) {
      this.startedAtMs = -Infinity;
      throw error;
    }
  }

  /** @throws {SettingsError} the namespace does not exist, so no turn could ever begin */
  async requireNamespace(): Promise<void> {
    await requireNamespace(this.temporal.connection, this.temporal.options);
  }

  /** When a worker last polled for turns, see `latestPollAtMs`; gives up after `timeoutMs`. */
  async latestPollAtMs(timeoutMs: number): Promise<number | null> {
    return this.askOnce(() => latestPollAtMs(this.temporal.connection, this.place), timeoutMs);
  }

  /** Aborts all waiting calls and closes the connection. Turns in progress continue. */
  async disconnect(): Promise<void> {
    this.isDisconnected = true;
    for (const call of this.waiting) call.abort();
    await this.temporal.connection.close();
  }

  private get place() {
    return { namespace: this.temporal.options.namespace, taskQueue: this.taskQueue };
  }

  private watch(workflowId: string, turnId: string): TurnWatch {
    return new TurnWatch(this.temporal, workflowId, `Turn ${turnId}`);
  }

  private async startTurn(
    workflowType: string,
    workflowId: string,
    input: OneShotInput,
    deadlineMs: number,
    round: number,
  ): Promise<void> {
    const { temporal, taskQueue, starter } = this;
    const start = ({ workflow }: Client) =>
      workflow.start(workflowType, {
        workflowId,
        taskQueue,
        args: [input],
        // A turn that ended as too late has failed, and may be started again.
        workflowIdReusePolicy: round === 0 ? 'REJECT_DUPLICATE' : 'ALLOW_DUPLICATE_FAILED_ONLY',
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowExecutionTimeout: turnExecutionTimeout,
        staticSummary: `Turn ${input.turnId}`,
        requestEagerStart: starter !== undefined,
      });
    const startByMs = Date.now() + Math.min(startTimeoutMs, deadlineMs);
    try {
      await (starter === undefined
        ? start(temporal)
        : starter.connection.withDeadline(startByMs, () => start(starter)));
      this.startedAtMs = performance.now();
    } catch (error) {
      // That this turn already exists says nothing about new ones.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) this.startedAtMs = -Infinity;
      throw error;
    }
  }

  /** Only updates a recently open conversation: that is cheaper than an update that could also start it. */
  private async update(
    sessionId: string,
    message: SendMessageInput,
    round: number,
    conversation: ConversationInput,
    watch: TurnWatch,
  ): Promise<ChatReply> {
    const workflowId = names.conversationWorkflowId(sessionId);
    const updateId = names.sendMessageUpdateId(message.turnId, round);
    const update = { args: [message] as [SendMessageInput], updateId };
    if (this.openSessions.get(sessionId)) {
      try {
        const handle = this.temporal.workflow.getHandle(workflowId);
        return await handle.executeUpdate<ChatReply, [SendMessageInput]>(names.sendMessageUpdate, update);
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
        this.openSessions.delete(sessionId);
        await watch.refuseEnded();
      }
    }
    const { workflow } = this.temporal;
    const reply = await workflow.executeUpdateWithStart<Workflow, ChatReply, [SendMessageInput]>(
      names.sendMessageUpdate,
      {
        ...update,
        startWorkflowOperation: new WithStartWorkflowOperation(names.conversationWorkflowType, {
          workflowId,
          taskQueue: this.taskQueue,
          workflowIdConflictPolicy: 'USE_EXISTING',
          args: [conversation],
          staticSummary: `Conversation of session ${sessionId}`,
        }),
      },
    );
    this.openSessions.set(sessionId, true);
    return reply;
  }

  private askToStop(input: StopInput, subject: string, deadlineMs: number): Promise<TurnState> {
    const asked = { input, workflowId: names.stopWorkflowId(randomUUID()), taskQueue: this.taskQueue, deadlineMs };
    return this.persist(() => askToStop(this.temporal, asked), subject, deadlineMs);
  }

  /**
   * For a message that interrupts: a conversation hears of it only once no call holds its task, so the call is stopped
   * through the ledger. If this fails, the message waits for the call.
   */
  private async stopOthers(sessionId: string, turnId: string): Promise<void> {
    const subject = `The stop of session ${sessionId}`;
    const conversation = names.conversationWorkflowId(sessionId);
    const exceptTurn = names.turnName(turnId, sessionId);
    try {
      if (!(await this.askOnce(() => isAtWork(this.temporal, conversation), questionDeadlineMs))) return;
      await this.askToStop({ sessionId, exceptTurn }, subject, questionDeadlineMs);
    } catch {
      // The conversation stops them when it gets the message.
    }
  }

  /** Waits until a sent turn is over, even if its caller has left, but no longer than any turn takes. */
  private async untilOver(sessionId: string, turnId: string): Promise<void> {
    const conversation = this.temporal.workflow.getHandle(names.conversationWorkflowId(sessionId));
    const poll = () => updateResult(conversation, turnId);
    await this.persist(poll, `Turn ${turnId}`, defaultDeadlineMs).catch(() => undefined);
  }

  private async ask<Answer>(
    sessionId: string,
    question: (handle: ReturnType<Client['workflow']['getHandle']>) => Promise<Answer>,
    deadlineMs = questionDeadlineMs,
  ): Promise<Answer> {
    refuseInvalid(idProblem(['sessionId'], sessionId));
    const handle = this.temporal.workflow.getHandle(names.conversationWorkflowId(this.storedSessionId(sessionId)));
    return this.persist(() => question(handle), `Session ${sessionId}`, deadlineMs);
  }

  /** One call without retries, for checks that are repeated soon anyway. */
  private async askOnce<Answer>(call: () => Promise<Answer>, timeoutMs: number): Promise<Answer> {
    const subject = 'a check';
    if (this.isDisconnected) throw disconnected(undefined, subject);
    const { connection } = this.temporal;
    const waiting = new AbortController();
    this.waiting.add(waiting);
    const bounded = () => connection.withDeadline(Date.now() + timeoutMs, call);
    try {
      return await connection.withAbortSignal(waiting.signal, bounded);
    } catch (error) {
      throw translateError(error, subject);
    } finally {
      this.waiting.delete(waiting);
    }
  }

  /** Repeats a call until it gets a final answer or the deadline passes. Every call here is safe to repeat. */
  private async persist<Answer>(
    call: () => Promise<Answer>,
    subject: string,
    deadlineMs: number,
    mayTryAgain = isPassing,
  ): Promise<Answer> {
    // For example a turn that waited for others, or `untilOver` for a caller that has left.
    if (this.isDisconnected) throw disconnected(undefined, subject);
    const deadlineAtMs = Date.now() + deadlineMs;
    const { connection } = this.temporal;
    const waiting = new AbortController();
    const { signal } = waiting;
    // Temporal's client adds a listener for every request of the call, and a long wait makes many requests.
    setMaxListeners(0, signal);
    this.waiting.add(waiting);
    const bounded = () => connection.withAbortSignal(signal, () => connection.withDeadline(deadlineAtMs, call));
    try {
      return await waitOut(bounded, { isPassing: mayTryAgain, deadlineAtMs, signal });
    } catch (error) {
      if (signal.aborted) throw disconnected(error, subject);
      throw mayTryAgain(error) ? outOfTime(error, subject, deadlineMs) : translateError(error, subject);
    } finally {
      this.waiting.delete(waiting);
    }
  }
}

/** A query waits for the running workflow task, which a slow model call can hold for seconds. */
const questionDeadlineMs = 30_000;

function disconnected(cause: unknown, subject: string): Error {
  const message = `${subject} has no answer yet, and this client was disconnected. If it has begun, it goes on.`;
  return new DeadlineExceededError(message, { cause });
}

function outOfTime(error: unknown, subject: string, deadlineMs: number): Error {
  if (isUnreachable(error)) return translateError(error, subject);
  return new DeadlineExceededError(
    `${subject} has no answer after ${deadlineMs} ms. If it has begun, it goes on, and the same call with the same turn id joins it; if not, that call sends it again.`,
    { cause: error },
  );
}

/** With a turn id, and the user in the form that pins and rollouts know. */
function withIds<Options extends Pick<SendOptions, 'turnId' | 'userId'>>(options: Options): Named<Options> {
  const { turnId = randomUUID(), userId } = options;
  // What names nobody is refused, like a value of another type.
  const namesUser = typeof userId === 'string' && userId.trim() !== '';
  return { ...options, turnId, ...(namesUser && { userId: idOf(userId) }) };
}

function refuseInvalid(problem: Problem | null): void {
  if (problem) throw new InvalidInputError([problem]);
}

/**
 * Begins a turn. If it has ended as too late, because an earlier caller had less time, it is begun again for as long as this
 * caller waits.
 */
async function untilBegun(
  startByMs: number,
  begin: (round: number) => Promise<ChatReply>,
  round = 0,
): Promise<ChatReply> {
  try {
    return await begin(round);
  } catch (error) {
    if (!isTooLate(error) || Date.now() >= startByMs) throw error;
    return untilBegun(startByMs, begin, round + 1);
  }
}

/**
 * The time limit that a round sends. Round 0 may join the turn of an earlier caller, who had less time. If round 1 is also
 * too late although we are still waiting, our clock must differ from Temporal's, so later rounds send no limit.
 */
function inRound(round: number, startByMs: number): Pick<RequestOptions, 'startByMs'> {
  return round < 2 ? { startByMs } : {};
}

/** The time until which the caller waits for the turn. */
function startByOf({
  startByMs,
  deadlineMs = defaultDeadlineMs,
}: Pick<SendOptions, 'startByMs' | 'deadlineMs'>): number {
  const endMs = Math.min(Date.now() + deadlineMs, Number.MAX_SAFE_INTEGER);
  return Math.ceil(startByMs === undefined ? endMs : Math.min(startByMs, endMs));
}

/**
 * `delivery` says how the answer is returned, and `whileBusy` when, not what is asked. `branch` is left out because a gateway looks for it again
 * when a request is repeated, and the conversation may have gone on meanwhile. `trace` is different for every request.
 */
function requestHashOf({
  delivery: _delivery,
  branch: _branch,
  startByMs: _startByMs,
  trace: _trace,
  whileBusy: _whileBusy,
  ...request
}: RequestOptions & Partial<Pick<SendMessageInput, 'turnId' | 'branch' | 'whileBusy'>>): string {
  return sha256(canonicalJson(request));
}

/** The span that asks: the one that the caller names, or the active one of its process. */
function traceOf({ trace = activeTraceContext() }: RequestOptions): Pick<RequestOptions, 'trace'> {
  return trace === undefined ? {} : { trace };
}

/** The reply, if it belongs to this exact request. */
function answerTo({ turnId, requestHash }: RequestOptions & { readonly turnId: string }, reply: ChatReply): ChatReply {
  // Turns that older versions recorded have no request hash.
  if (reply.request_hash !== undefined && reply.request_hash !== requestHash) {
    const message = `${turnId} was used before, with another request. Use a new turn id for each message`;
    throw new InvalidInputError([{ path: ['turnId'], code: 'already-used', message }]);
  }
  return withoutHash(reply);
}

function withoutHash({ request_hash: _hash, ...reply }: ChatReply): ChatReply {
  return reply;
}

function refuseBlocked(reply: ChatReply): ChatReply {
  if (reply.blocked) throw new BudgetRefusedError(reply);
  return reply;
}
