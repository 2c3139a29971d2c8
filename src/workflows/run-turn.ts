import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  patched,
  proxyLocalActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/create-activities';
import type { ChatMessage, ChatReply, ReplyLanguage, RequestOptions } from '../contract/chat';
import { type CallFailure, failureTypes } from '../contract/failures';
import type {
  AnsweredCall,
  OpenedTurn,
  OpenTurnInput,
  PlannedTarget,
  PromptMeasure,
  Refused,
  StoppedTurn,
  TokenUsage,
  TurnTotals,
} from '../contract/turn';
import { measurePrompt } from '../domain/turn/measure-text';
import { degradedReply, detectLanguage, mayPass, refusalReason } from '../domain/turn/degraded-reply';
import { questionOf } from '../domain/turn/fingerprints';
import { toUsd } from '../domain/turn/prices';
import { traceIdOf } from '../domain/turn/trace-context';
import { callTarget } from './call-target';
import type { TurnStop } from './turn-stop';

export interface Turn extends RequestOptions {
  readonly turnId: string;
  /** From `turnName` or `oneShotTurnName`. */
  readonly name: string;
  readonly sessionId: string | null;
  readonly userId: string | null;
  /** The messages for the model, already cut to the window; the last message is the user's. */
  readonly messages: readonly ChatMessage[];
  readonly language?: ReplyLanguage;
  /** See `OpenTurnInput`. */
  readonly asksAgain?: string;
}

type Opened<Kind extends OpenedTurn['kind']> = Extract<OpenedTurn, { kind: Kind }>;

const { openTurn } = proxyLocalActivities<Activities>({
  // Every part has its own timeout: 30 s for the ledger, the policy's for the call. This one is a safety net.
  startToCloseTimeout: '10 minutes',
  // It throws only when the ledger is unavailable before admission: with its own 30 s, some 3 minutes in all.
  retry: { maximumAttempts: 5 },
  summary: 'admission, first call, record',
});

/**
 * The ledger itself retries for 30 s when its database is unavailable, which must fit into one attempt. If the database is
 * away for longer, retries go on for an hour, even if the caller has given up: an answered turn must be recorded.
 */
const { recordTurn, recordStoppedTurn } = proxyLocalActivities<Activities>({
  startToCloseTimeout: '40 seconds',
  scheduleToCloseTimeout: '1 hour',
});

/** How far the clocks of a caller and of Temporal may differ. */
const clockSkewMs = 1_000;

/** One turn: admitted against the budgets, answered by the first target that can, recorded with its exact cost. */
export async function runTurn(turn: Turn, stop: TurnStop): Promise<ChatReply> {
  const { language: _language, name, echo: _echo, ...request } = turn;
  const openTurnInput: OpenTurnInput = {
    ...request,
    turnId: name,
    prompt: measurePrompt(turn.messages, turn.modelOptions),
    firstRunId: workflowInfo().firstExecutionRunId,
    // By Temporal's clock, because a worker's may be wrong.
    comesTooLate: turn.startByMs !== undefined && Date.now() > turn.startByMs + clockSkewMs,
  };
  const opened = await openTurn(openTurnInput).catch((error: unknown) => {
    throw endOfTurn(turn, error) ?? error;
  });
  if (opened.kind === 'refused') return refusedReply(turn, opened);
  if (opened.kind === 'answered') return answeredReply(turn, opened);
  if (opened.kind === 'stopped') return stoppedReply(turn, opened);
  return callChain(turn, openTurnInput.prompt, opened, stop);
}

/** Continues a turn that its first call did not answer: with retries and the other targets. */
async function callChain(
  turn: Turn,
  prompt: PromptMeasure,
  { admission, firstCall }: Opened<'admitted'>,
  stop: TurnStop,
): Promise<ChatReply> {
  const { messages, temperature, maxTokens, modelOptions, keyId, delivery, operation } = turn;
  const { arm, canary, deadlineAtMs, ownDeadlineAtMs = deadlineAtMs, turnName: turnId = turn.turnId } = admission;
  const { tags } = admission;
  const request = { turnId, messages, prompt, temperature, maxTokens, modelOptions, keyId, delivery, operation, tags };
  let answer: AnsweredCall | null = null;
  let answeredBy: PlannedTarget | null = null;
  let failure: CallFailure | null = null;
  /** Until when the targets that refused the call for now want to be left alone, in milliseconds from now. */
  const askedWaitsMs: number[] = [];
  for (const [index, target] of admission.targets.entries()) {
    const isFirst = index === 0;
    const ticket = isFirst ? admission.ticket : null;
    const isOwn = target.arm === undefined;
    const place = { arm: target.arm ?? arm, deadlineAtMs: isOwn ? ownDeadlineAtMs : deadlineAtMs };
    const call = { ...request, ...place, target, ticket, ...(isFirst && { firstCallDeadlineAtMs: deadlineAtMs }) };
    const result = await callTarget(call, admission, isFirst ? firstCall : null, stop).catch(recordCancellation);
    if (result === 'stopped' || (result.kind === 'failed' && (stop.isAsked || result.failure.isStop))) {
      const stopped = await recordStoppedTurn({ turnId, delivery, tags });
      return stoppedReply(turn, { arm, canary: admission.canary, target: target.name, ...stopped });
    }
    if (result.kind === 'answered') {
      answer = result;
      answeredBy = target;
      break;
    }
    failure = result.failure;
    // "Retry-After: 0" says nothing.
    if (failure.retryAfterMs) askedWaitsMs.push(failure.retryAfterMs);
    // Content that one provider refuses is not sent to others, and the caller gets the provider's reason.
    if (failure.kind === 'content-filter' && patched('refused-content-ends-the-chain')) break;
  }

  const totals = await recordTurn({
    turnId,
    answer: answer &&
      answeredBy && {
        target: answeredBy.name,
        model: answer.model,
        settlement: answer.settlement,
        flags: answer.flags,
        ...(answeredBy.arm !== undefined && { rescuedBy: answeredBy.arm }),
      },
    error: answer ? null : (failure?.message ?? null),
    tags,
  });
  if (answer === null || answeredBy === null) {
    return { ...chainFailedReply(turn, admission, failure, totals), ...retryAfterField(failure, askedWaitsMs) };
  }
  const { kind: _kind, settlement, ...answerFields } = answer;
  const answered = { ...answerFields, arm, canary, target: answeredBy.name, usage: settlement.usage, totals };
  const reply = answeredReply(turn, answered);
  // A fallback that the request named says nothing about a rollout.
  return answeredBy.arm === undefined || answeredBy.isFallback ? reply : { ...reply, rescued: true };

  async function recordCancellation(reason: unknown): Promise<'stopped'> {
    if (stop.isAsked && isCancellation(reason)) return 'stopped';
    if (isCancellation(reason)) {
      const record = { turnId, answer: null, error: 'The turn was cancelled.', tags };
      await CancellationScope.nonCancellable(() => recordTurn(record));
    }
    throw reason;
  }
}

function answeredReply(turn: Turn, answered: Omit<Opened<'answered'>, 'kind'>): ChatReply {
  const {
    arm,
    canary = false,
    target,
    model,
    content,
    refusal,
    finishReason,
    toolCalls,
    thoughts,
    flags = [],
    usage,
    totals,
  } = answered;
  return {
    ...commonFields(turn, totals),
    content,
    provider: target,
    model,
    handler: arm,
    canary,
    success: true,
    error: null,
    ...(finishReason && { finish_reason: finishReason }),
    ...(refusal && { refusal }),
    ...(toolCalls && { tool_calls: toolCalls }),
    ...(thoughts !== undefined && { reasoning_content: thoughts }),
    ...(flags.length > 0 && { flags }),
    ...usageField(usage ?? null, totals),
  };
}

/** What the whole answer took: of all its calls, as far as their providers count. */
function usageField(usage: TokenUsage | null, totals: TurnTotals): Pick<ChatReply, 'usage'> {
  const { promptTokens, completionTokens, cachedPromptTokens = usage?.cachedPromptTokens ?? 0 } = totals;
  const { cacheWriteTokens = 0 } = totals;
  if (usage === null && promptTokens + completionTokens === 0) return {};
  const reasoningTokens = usage?.reasoningTokens;
  return {
    usage: {
      prompt_tokens: promptTokens,
      cached_tokens: cachedPromptTokens,
      ...(cacheWriteTokens > 0 && { cache_write_tokens: cacheWriteTokens }),
      completion_tokens: completionTokens,
      ...(reasoningTokens !== undefined && { reasoning_tokens: reasoningTokens }),
    },
  };
}

function chainFailedReply(
  turn: Turn,
  { arm, canary = false }: Opened<'admitted'>['admission'],
  failure: CallFailure | null,
  totals: TurnTotals,
): ChatReply {
  return {
    ...commonFields(turn, totals),
    content: apology(turn, failure),
    provider: 'degraded-mode',
    model: null,
    handler: arm,
    canary,
    success: false,
    error: failure?.message ?? 'No target is configured.',
    ...(failure && { error_kind: failure.kind }),
  };
}

/** What its readers were shown is all there is. */
function stoppedReply(
  turn: Turn,
  { arm, canary = false, target, content, totals }: Omit<StoppedTurn, 'kind'>,
): ChatReply {
  return {
    ...commonFields(turn, totals),
    content,
    provider: target ?? 'none',
    model: null,
    handler: arm,
    canary,
    success: false,
    stopped: true,
    error: 'The turn was stopped.',
    ...usageField(null, totals),
  };
}

/** The same request may be answered as soon as one target of the chain takes calls again. */
function retryAfterField(
  failure: CallFailure | null,
  askedWaitsMs: readonly number[],
): Pick<ChatReply, 'retry_after_ms'> {
  return mayPass(failure) && askedWaitsMs.length > 0 ? { retry_after_ms: Math.min(...askedWaitsMs) } : {};
}

function apology(turn: Turn, failure: CallFailure | null): string {
  return degradedReply(turn.language ?? detectLanguage(questionOf(turn.messages)), failure);
}

/** Why the turn was not begun; null if it is not known that it never will be. */
function endOfTurn(turn: Turn, error: unknown): ApplicationFailure | null {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const type = cause instanceof ApplicationFailure ? cause.type : null;
  if (type === failureTypes.turnTooLate) return tooLate(turn);
  return type === failureTypes.turnNotKept ? notKept(turn) : null;
}

function tooLate({ turnId }: Turn): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `Turn ${turnId} was not begun: no worker took it before its caller stopped waiting. No model was called and nothing was charged. Send it again.`,
    failureTypes.turnTooLate,
  );
}

function refusedReply(turn: Turn, refusal: Refused): ChatReply {
  if (refusal.scope === 'closed') {
    throw ApplicationFailure.nonRetryable(
      `Session ${turn.sessionId} was closed and takes no further messages. Start a new session.`,
      failureTypes.conversationClosed,
    );
  }
  const reason = refusalReason(refusal.scope);
  return {
    turn_id: turn.turnId,
    session_id: turn.sessionId,
    content: apology(turn, null),
    provider: 'degraded-mode',
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
    success: false,
    error: reason,
    blocked: true,
    refused_by: refusal.scope,
    remaining_budget: toUsd(refusal.remainingNanoUsd),
    ...echoOf(turn),
  };
}

function notKept({ turnId }: Turn): ApplicationFailure {
  return ApplicationFailure.nonRetryable(
    `Turn ${turnId} was answered and paid for before, but its answer is no longer kept, and it is not paid for twice. To ask again, send the message with another turn id.`,
    failureTypes.turnNotKept,
  );
}

function commonFields(turn: Turn, totals: TurnTotals) {
  return {
    turn_id: turn.turnId,
    session_id: turn.sessionId,
    attempts: totals.attempts,
    latency_ms: totals.latencyMs,
    tokens_used: totals.promptTokens + totals.completionTokens,
    cost_usd: toUsd(totals.costNanoUsd),
    unconfirmed_usd: toUsd(totals.unconfirmedNanoUsd),
    cost_nano_usd: totals.costNanoUsd,
    unconfirmed_nano_usd: totals.unconfirmedNanoUsd,
    blocked: false,
    remaining_budget: toUsd(totals.remainingNanoUsd),
    ...echoOf(turn),
  };
}

/** What a reply repeats of its request. */
function echoOf({ requestHash, trace, echo }: Turn): Pick<ChatReply, 'request_hash' | 'trace_id' | 'echo'> {
  return {
    ...(echo !== undefined && { echo }),
    ...(requestHash !== undefined && { request_hash: requestHash }),
    ...(trace !== undefined && { trace_id: traceIdOf(trace) }),
  };
}
