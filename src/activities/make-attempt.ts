import { randomUUID } from 'node:crypto';
import type { CallFailure } from '../contract/failures';
import type { Target } from '../contract/policy';
import type { AttemptTicket, CallOutcome, ModelCallInput, Settlement } from '../contract/turn';
import { measureText } from '../domain/cjk';
import { costNanoUsd } from '../domain/prices';
import { refusalReason } from '../domain/refusal';
import { attemptTimeoutMs, retryDelayMs } from '../domain/retry-schedule';
import type { CompletionResult, Provider } from '../providers/provider';
import { completionLimit, reservationFor } from './admit-turn';
import type { ActivityDependencies } from './dependencies';

type Completed = Extract<CompletionResult, { kind: 'completed' }>;
type Failed = Extract<CompletionResult, { kind: 'failed' }>;

/**
 * One model call: reserved, made, and settled when it fails. A successful call is settled together with its turn, in
 * the same transaction. `callIndex` counts the calls of this target from 0.
 */
export async function makeAttempt(
  dependencies: ActivityDependencies,
  input: ModelCallInput,
  ticket: AttemptTicket | null,
  callIndex: number,
  signal: AbortSignal | undefined,
): Promise<CallOutcome> {
  const { ledger, policy } = dependencies;
  const { target, provider } = resolveTarget(dependencies, input);

  const reserved = ticket ?? (await reserve(dependencies, input, target));
  if ('kind' in reserved) return { kind: 'failed', failure: reserved, retryDelayMs: null };

  const timeLeftMs = input.deadlineAtMs - Date.now();
  const result: CompletionResult =
    timeLeftMs <= 0
      ? { kind: 'failed', failure: pastDeadline, receivedBytes: false, latencyMs: 0 }
      : await provider.complete({
          model: target.model,
          messages: input.messages,
          temperature: input.temperature ?? policy.defaults.temperature,
          maxTokens: completionLimit(policy, input.maxTokens),
          options: input.modelOptions,
          requestId: `${input.turnId}.${reserved.attempt}`,
          timeoutMs: Math.min(attemptTimeoutMs(policy.retry, callIndex, Math.random()), timeLeftMs),
          signal,
        });

  if (result.kind === 'completed') {
    return {
      kind: 'answered',
      content: result.content,
      finishReason: result.finishReason,
      ...(result.toolCalls && { toolCalls: result.toolCalls }),
      model: result.model,
      settlement: settlementOfAnswer(reserved, result, target, input),
    };
  }
  await ledger.settleAttempt(input.turnId, settlementOfFailure(reserved, result));
  const delayMs = retryDelayMs(policy.retry, callIndex, result.failure, result.receivedBytes, Math.random());
  const wouldMissDeadline = delayMs !== null && Date.now() + delayMs >= input.deadlineAtMs;
  return { kind: 'failed', failure: result.failure, retryDelayMs: wouldMissDeadline ? null : delayMs };
}

const pastDeadline: CallFailure = {
  kind: 'timeout',
  message: 'The turn passed its deadline before this call began.',
  retryable: false,
  charge: 'not-charged',
  httpStatus: null,
  retryAfterMs: null,
};

function resolveTarget(
  { policy, providers }: ActivityDependencies,
  input: ModelCallInput,
): { target: Target; provider: Provider } {
  const target = policy.arms[input.arm]?.targets.find(({ name }) => name === input.target.name);
  const provider = providers.get(input.target.provider);
  if (!target || !provider) {
    throw new Error(
      `This worker's configuration has no target ${input.target.name} at provider ${input.target.provider}, which turn ${input.turnId} was admitted with. Run all workers with the same configuration.`,
    );
  }
  return { target, provider };
}

async function reserve(
  { ledger, policy, owner }: ActivityDependencies,
  input: ModelCallInput,
  target: Target,
): Promise<AttemptTicket | CallFailure> {
  const result = await ledger.reserveAttempt({
    turnId: input.turnId,
    reservation: reservationFor(input.arm, target, policy, input),
    requestId: randomUUID(),
    owner,
    caps: policy.budgets,
    atMs: Date.now(),
  });
  if (result.kind === 'reserved') return { attempt: result.attempt, reservedNanoUsd: result.reservedNanoUsd, owner };
  return {
    kind: 'budget',
    message: result.scope === 'closed' ? 'The session was closed.' : refusalReason(result.scope),
    retryable: false,
    charge: 'not-charged',
    httpStatus: null,
    retryAfterMs: null,
  };
}

function settlementOfAnswer(
  ticket: AttemptTicket,
  result: Completed,
  target: Target,
  input: ModelCallInput,
): Settlement {
  const { usage, toolCalls = [] } = result;
  const answer = measureText(result.content + toolCalls.map((call) => JSON.stringify(call)).join(''));
  const text = {
    characters: input.prompt.characters + answer.characters,
    cjkCharacters: input.prompt.cjkCharacters + answer.cjkCharacters,
  };
  return {
    attempt: ticket.attempt,
    // An answer without usage was charged, nobody knows how much: the reserved amount stands in.
    state: usage ? 'settled' : 'unconfirmed',
    costNanoUsd: usage ? costNanoUsd(target.price, usage, text) : ticket.reservedNanoUsd,
    usage,
    outcome: 'answered',
    httpStatus: 200,
    latencyMs: Math.round(result.latencyMs),
    endedAtMs: Date.now(),
  };
}

function settlementOfFailure(ticket: AttemptTicket, { failure, latencyMs }: Failed): Settlement {
  return {
    attempt: ticket.attempt,
    state: failure.charge === 'unknown' ? 'unconfirmed' : 'released',
    costNanoUsd: 0,
    usage: null,
    outcome: failure.kind,
    httpStatus: failure.httpStatus,
    latencyMs: Math.round(latencyMs),
    endedAtMs: Date.now(),
  };
}
