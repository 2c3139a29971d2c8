import {
  ApplicationFailure,
  CancellationScope,
  isCancellation,
  patched,
  proxyLocalActivities,
} from '@temporalio/workflow';
import type { Activities } from '../activities/create-activities';
import type { ChatMessage, ChatReply, ReplyLanguage, ReplyUsage, RequestOptions } from '../contract/chat';
import { type CallFailure, failureTypes } from '../contract/failures';
import type {
  AnsweredCall,
  OpenedTurn,
  OpenTurnInput,
  PromptMeasure,
  Refused,
  TokenUsage,
  TurnTotals,
} from '../contract/turn';
import { measurePrompt } from '../domain/turn/cjk';
import { blockedReply, degradedReply, detectLanguage, refusalReason } from '../domain/turn/degraded-reply';
import { spokenText } from '../domain/turn/messages';
import { toUsd } from '../domain/turn/prices';
import { askTarget } from './ask-target';

export interface Turn extends RequestOptions {
  readonly turnId: string;
  /** As `turnName` or `oneShotTurnName` has it. */
  readonly name: string;
  readonly sessionId: string | null;
  readonly userId: string | null;
  /** What the model gets to see, already cut to the window; the last message is the user's. */
  readonly messages: readonly ChatMessage[];
  readonly language?: ReplyLanguage;
}

type Opened<Kind extends OpenedTurn['kind']> = Extract<OpenedTurn, { kind: Kind }>;

const { openTurn } = proxyLocalActivities<Activities>({
  // Every part of it has a limit of its own: the ledger 30 s, the call what the policy says. This ends what escaped them.
  startToCloseTimeout: '10 minutes',
  // It is thrown only when the ledger is lost before the admission: with its own 30 s, some 3 minutes in all.
  retry: { maximumAttempts: 5 },
  summary: 'admission, first call, record',
});

/**
 * The ledger retries a lost database for 30 s by itself; one run of it must fit. A database that is away for longer
 * is tried again until the caller has long gone: a turn that was answered must be recorded.
 */
const { recordTurn } = proxyLocalActivities<Activities>({
  startToCloseTimeout: '40 seconds',
  scheduleToCloseTimeout: '1 hour',
});

/** One turn: admitted against the budgets, answered by the first target that can, recorded with its exact cost. */
export async function runTurn(turn: Turn): Promise<ChatReply> {
  const { language: _language, name, ...request } = turn;
  const opening: OpenTurnInput = { ...request, turnId: name, prompt: measurePrompt(turn.messages, turn.modelOptions) };
  const opened = await openTurn(opening);
  if (opened.kind === 'refused') return refusedReply(turn, opened);
  if (opened.kind === 'answered') return answeredReply(turn, opened);
  return askChain(turn, opening.prompt, opened);
}

/** What follows when the first call did not settle it: retries and the other targets. */
async function askChain(
  turn: Turn,
  prompt: PromptMeasure,
  { admission, firstCall }: Opened<'admitted'>,
): Promise<ChatReply> {
  const { messages, temperature, maxTokens, modelOptions, keyId, delivery } = turn;
  const { arm, canary, deadlineAtMs, turnName: turnId = turn.turnId } = admission;
  const request = {
    turnId,
    arm,
    messages,
    prompt,
    temperature,
    maxTokens,
    modelOptions,
    keyId,
    delivery,
    deadlineAtMs,
  };
  let answer: AnsweredCall | null = null;
  let answeredBy: string | null = null;
  let failure: CallFailure | null = null;
  for (const [index, target] of admission.targets.entries()) {
    const isFirst = index === 0;
    const ticket = isFirst ? admission.ticket : null;
    const result = await askTarget({ ...request, target, ticket }, admission, isFirst ? firstCall : null).catch(
      recordCancellation,
    );
    if (result.kind === 'answered') {
      answer = result;
      answeredBy = target.name;
      break;
    }
    failure = result.failure;
    // What one provider's rules refuse is not offered to others, and its reason reaches the caller.
    if (failure.kind === 'content-filter' && patched('refused-content-ends-the-chain')) break;
  }

  const totals = await recordTurn({
    turnId,
    answer: answer && answeredBy ? { target: answeredBy, model: answer.model, settlement: answer.settlement } : null,
    error: answer ? null : (failure?.message ?? null),
  });
  if (answer === null || answeredBy === null) return chainFailedReply(turn, admission, failure, totals);
  const { kind: _kind, settlement, ...said } = answer;
  return answeredReply(turn, { ...said, arm, canary, target: answeredBy, usage: settlement.usage, totals });

  async function recordCancellation(reason: unknown): Promise<never> {
    if (isCancellation(reason)) {
      const record = { turnId, answer: null, error: 'The turn was cancelled.' };
      await CancellationScope.nonCancellable(() => recordTurn(record));
    }
    throw reason;
  }
}

function answeredReply(turn: Turn, answered: Omit<Opened<'answered'>, 'kind'>): ChatReply {
  const { arm, canary = false, target, model, content, refusal, finishReason, toolCalls, usage, totals } = answered;
  return {
    ...frame(turn, totals),
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
    ...(usage && { usage: replyUsage(usage) }),
  };
}

function replyUsage({ promptTokens, cachedPromptTokens, completionTokens }: TokenUsage): ReplyUsage {
  return { prompt_tokens: promptTokens, cached_tokens: cachedPromptTokens, completion_tokens: completionTokens };
}

function chainFailedReply(
  turn: Turn,
  { arm, canary = false }: Opened<'admitted'>['admission'],
  failure: CallFailure | null,
  totals: TurnTotals,
): ChatReply {
  const content = degradedReply(turn.language ?? detectLanguage(lastUserText(turn.messages)));
  return {
    ...frame(turn, totals),
    content,
    provider: 'degraded-mode',
    model: null,
    handler: arm,
    canary,
    success: false,
    error: failure?.message ?? 'No target is configured.',
    ...(failure && { error_kind: failure.kind }),
  };
}

function lastUserText(messages: readonly ChatMessage[]): string {
  const message = messages.findLast(({ role }) => role === 'user');
  return message ? spokenText(message) : '';
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
    content: blockedReply(reason),
    provider: 'degraded-mode',
    model: null,
    handler: null,
    canary: false,
    attempts: 0,
    latency_ms: 0,
    tokens_used: 0,
    cost_usd: 0,
    unconfirmed_usd: 0,
    success: false,
    error: reason,
    blocked: true,
    refused_by: refusal.scope,
    remaining_budget: toUsd(refusal.remainingNanoUsd),
    ...hashOf(turn),
  };
}

function frame(turn: Turn, totals: TurnTotals) {
  return {
    turn_id: turn.turnId,
    session_id: turn.sessionId,
    attempts: totals.attempts,
    latency_ms: totals.latencyMs,
    tokens_used: totals.promptTokens + totals.completionTokens,
    cost_usd: toUsd(totals.costNanoUsd),
    unconfirmed_usd: toUsd(totals.unconfirmedNanoUsd),
    blocked: false,
    remaining_budget: toUsd(totals.remainingNanoUsd),
    ...hashOf(turn),
  };
}

function hashOf({ requestHash }: Turn): Pick<ChatReply, 'request_hash'> {
  return requestHash === undefined ? {} : { request_hash: requestHash };
}
