import { randomUUID } from 'node:crypto';
import type { CallFailure } from '../contract/failures';
import { limits } from '../contract/limits';
import { turnIdOf } from '../contract/names';
import type { Policy, Target } from '../contract/policy';
import type { Provider } from '../contract/provider';
import type { AttemptTicket, CallOutcome, ModelCallInput } from '../contract/turn';
import { AnswerSoFar } from '../domain/stream/answer-so-far';
import { type Asked, flagsOf } from '../domain/turn/answer-flags';
import { measurePrompt } from '../domain/turn/measure-text';
import {
  Continuation,
  type ContinuationPlan,
  planContinuation,
  type PlacedText,
  withPrefill,
} from '../domain/turn/continuation';
import { refusalReason } from '../domain/turn/degraded-reply';
import { utf8Length } from '../domain/turn/messages';
import { armCalled } from '../domain/turn/routing';
import { retryDelayMs } from '../domain/turn/retry-schedule';
import { completionLimit, reservationFor } from './admit-turn';
import { type Call, circuitOpen, mayCall, mayRetry } from './call-provider';
import { deflateShare } from './deflate-share';
import type { ActivityDependencies } from './dependencies';
import { type Failed, notMade, settlementOfUnused } from './settlements';
import { tracedCall } from './traced-call';

/**
 * One attempt: reserves, makes the call, and settles it if it fails. A successful call is settled in the same transaction
 * that records its turn. `callIndex` counts the attempts of this target from 0.
 *
 * If a streamed turn has already shown part of an answer, the target is asked to continue it. A target that rejects that, or
 * is not seen to do it, is called again immediately without the partial answer: a second call with its own reservation and
 * ledger row, whose outcome is the outcome of the attempt.
 */
export async function makeAttempt(
  dependencies: ActivityDependencies,
  input: ModelCallInput,
  ticket: AttemptTicket | null,
  callIndex: number,
  signal: AbortSignal | undefined,
): Promise<CallOutcome> {
  const call = { ...resolveTarget(dependencies, input), input, callIndex, signal };
  const partial = await partialAnswer(dependencies, input, call.target, ticket);
  const plan = partial === '' ? null : planContinuation(partial);
  if (plan === null) return answerOf(await callOnce(dependencies, call, ticket, null));

  // The ticket, made by a worker or task that was lost, covers only the messages without the partial answer.
  if (ticket) await releaseUnused(dependencies, input, ticket);
  const continuation = await callOnce(dependencies, call, null, plan);
  if (continuation.kind !== 'unrelated' && !isRejectedPrefill(continuation)) return continuation;

  const fresh = answerOf(await callOnce(dependencies, call, null, null));
  // If both calls were rejected, the prefill was not the reason; and being too long this time says nothing about next time.
  const isAboutPrefill =
    continuation.kind === 'unrelated' || (continuation.failure.kind === 'bad-request' && !isRejectedPrefill(fresh));
  if (isAboutPrefill) dependencies.targets.prefillRefused(call.target);
  return fresh;
}

/** The target was asked to continue an answer and said something else: its text is settled, and is no answer. */
interface UnrelatedText {
  readonly kind: 'unrelated';
}

function answerOf(outcome: CallOutcome | UnrelatedText): CallOutcome {
  if (outcome.kind === 'unrelated')
    throw new Error('A call that continues nothing was unrelated to what it continues.');
  return outcome;
}

/**
 * Any 400 may be caused by the added message, including one about the length. Only for a content filter has the provider
 * stated a different reason; that call is not repeated.
 */
function isRejectedPrefill(outcome: CallOutcome): outcome is Extract<CallOutcome, { kind: 'failed' }> {
  if (outcome.kind !== 'failed') return false;
  const { kind, httpStatus } = outcome.failure;
  return kind === 'bad-request' || (httpStatus === 400 && kind !== 'content-filter');
}

async function callOnce(
  dependencies: ActivityDependencies,
  call: Call,
  ticket: AttemptTicket | null,
  plan: ContinuationPlan | null,
): Promise<CallOutcome | UnrelatedText> {
  const { ledger, policy, streams } = dependencies;
  const { input, target, callIndex } = call;
  const { retries } = dependencies.targets;
  // Checked before reserving, to save a reservation that would be released at once.
  if (ticket === null && !mayCall(dependencies, call)) {
    return { kind: 'failed', failure: circuitOpen(target).failure, retryDelayMs: null };
  }
  const messages = plan === null ? input.messages : withPrefill(input.messages, plan);
  const prompt = plan === null ? input.prompt : measurePrompt(messages, input.modelOptions);
  const reserved = ticket ?? (await reserveAttempt(dependencies, { ...input, prompt }, target));
  if ('failure' in reserved) return { kind: 'failed', failure: reserved.failure, retryDelayMs: null };

  const { turnId, delivery } = input;
  const { attempt } = reserved;
  const answer = new Continuation(plan);
  const uselessCall = new UselessCall(call.signal);
  const show = (placed: PlacedText | null): void => {
    if (placed && delivery === 'streamed') streams.write(turnId, { attempt, ...placed });
    if (answer.isUnrelated) uselessCall.end();
  };
  // A turn's first call is compared between arms, so a rescue must not shorten it in one of them.
  const deadlineAtMs = (attempt === 1 ? input.firstCallDeadlineAtMs : undefined) ?? input.deadlineAtMs;
  const { modelOptions, operation } = input;
  const parameters = { target, prompt, maxTokens: completionLimit(policy, input), modelOptions, operation };
  const { result, settlement } = await tracedCall(
    dependencies,
    { ...call, input: { ...input, deadlineAtMs }, signal: uselessCall.signal },
    {
      messages,
      requestId: `${turnIdOf(turnId)}.${attempt}`,
      onText: (text) => show(answer.take(text)),
    },
    reserved,
    parameters,
  ).finally(() => uselessCall.close());

  if (result.kind === 'completed') {
    // A target that does not stream delivers everything at once.
    show(answer.take(result.content.slice(answer.takenLength)));
    retries.answered(target.provider);
    const { content, rest } = answer.finish();
    show(rest);
    uselessCall.close();
    if (!answer.isUnrelated && !isTooLong(content)) {
      const { model, finishReason, refusal, toolCalls, thoughts } = result;
      const answerFields = {
        content,
        finishReason,
        ...(refusal && { refusal }),
        ...(toolCalls && { toolCalls }),
        ...(thoughts !== undefined && { thoughts }),
        ...(operation === undefined && {
          flags: flagsOf(askedOf(policy, input), { content, refusal, toolCalls, finishReason }, deflateShare),
        }),
      };
      return { kind: 'answered', ...answerFields, model, settlement };
    }
    if (answer.isUnrelated) {
      await ledger.settleAttempt(turnId, { ...settlement, outcome: 'cancelled' });
      return { kind: 'unrelated' };
    }
    await ledger.settleAttempt(turnId, { ...settlement, outcome: 'response-too-large' });
    return { kind: 'failed', failure: joinedTooLong(target), retryDelayMs: null };
  }
  await ledger.settleAttempt(turnId, settlement);
  if (answer.isUnrelated && !call.signal?.aborted) return { kind: 'unrelated' };
  const { failure, receivedBytes } = result;
  // If this failure has opened the circuit, the target would not be called after the delay either.
  const delayMs = mayRetry(dependencies, call)
    ? retryDelayMs(policy.retry, callIndex, failure, receivedBytes, Math.random())
    : null;
  const wouldMissDeadline = delayMs !== null && Date.now() + delayMs >= input.deadlineAtMs;
  const isRetried = delayMs !== null && !wouldMissDeadline && retries.take(target.provider);
  return { kind: 'failed', failure, retryDelayMs: isRetried ? delayMs : null };
}

function askedOf({ defaults }: Policy, { messages, modelOptions, maxTokens }: ModelCallInput): Asked {
  return { messages, modelOptions, isShortAsked: maxTokens !== undefined && maxTokens < defaults.maxTokens };
}

/** The adapter has measured what this call said, but not together with the answer that it continues. */
function isTooLong(content: string): boolean {
  return Buffer.byteLength(JSON.stringify(content)) > limits.maxAnswerBytes;
}

function joinedTooLong({ provider }: Target): CallFailure {
  const message = `${provider}: the answer that it continued exceeds the size limit`;
  return { ...notMade('response-too-large', message).failure, charge: 'unknown' };
}

/** A short answer ends by itself in this time, and its provider says what it took. */
const uselessCallMs = 1_000;

/** Breaks a call off whose text turns out to be useless, so that nobody waits and pays for the rest of it. */
class UselessCall {
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private timer: NodeJS.Timeout | null = null;

  constructor(signal: AbortSignal | undefined) {
    this.signal = signal === undefined ? this.controller.signal : AbortSignal.any([signal, this.controller.signal]);
  }

  end(): void {
    const reason = new Error('it does not continue the interrupted answer');
    this.timer ??= setTimeout(() => this.controller.abort(reason), uselessCallMs);
  }

  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
  }
}

function resolveTarget(
  { policy, providers }: ActivityDependencies,
  input: ModelCallInput,
): { target: Target; provider: Provider } {
  const { name, provider: providerName, model } = input.target;
  const named = armCalled(policy, input.arm)?.targets.filter((target) => target.name === name) ?? [];
  // The members of a pool share a name.
  const target = named.find((one) => one.provider === providerName && one.model === model) ?? named[0];
  const provider = providers.get(input.target.provider);
  if (!target || !provider) {
    throw new Error(
      `Turn ${input.turnId} was admitted with target ${input.target.name} of provider ${input.target.provider}, which this worker's configuration does not have. Run all workers with the same configuration.`,
    );
  }
  return { target, provider };
}

const stopped = notMade('cancelled', 'The turn was stopped.');
const stoppedBeforeCall: Failed = { ...stopped, failure: { ...stopped.failure, isStop: true } };

/** Reserves the worst-case cost of a further call of an admitted turn. */
async function reserveAttempt(
  { ledger, policy, owner }: ActivityDependencies,
  input: ModelCallInput,
  target: Target,
): Promise<AttemptTicket | Failed> {
  const result = await ledger.reserveAttempt({
    turnId: input.turnId,
    keyId: input.keyId,
    reservation: reservationFor(input.arm, target, policy, input),
    requestId: randomUUID(),
    owner,
    caps: policy.budgets,
  });
  if (result.kind === 'reserved') return { attempt: result.attempt, reservedNanoUsd: result.reservedNanoUsd, owner };
  if (result.kind === 'stopped') return stoppedBeforeCall;
  return notMade('budget', result.scope === 'closed' ? 'The session was closed.' : refusalReason(result.scope));
}

/** Releases a reservation that is too small for the call to make and was never used. */
async function releaseUnused(
  { ledger }: ActivityDependencies,
  { turnId }: ModelCallInput,
  ticket: AttemptTicket,
): Promise<void> {
  const unused = notMade('cancelled', 'The call was replaced by one that continues an interrupted answer.');
  await ledger.settleAttempt(turnId, settlementOfUnused(ticket, unused));
}

/** Tokens have four bytes on average; a few represent long runs of spaces. */
const maxBytesPerToken = 32;

/**
 * The part of a streamed turn's answer that callers may have seen from earlier attempts; '' if there is none or the target
 * must not be asked to continue it. Text longer than the turn's token limit allows is not a valid answer, and sending it
 * would cost more than starting over.
 */
async function partialAnswer(
  { streams, targets, policy }: ActivityDependencies,
  { turnId, delivery, maxTokens, modelOptions }: ModelCallInput,
  target: Target,
  ticket: AttemptTicket | null,
): Promise<string> {
  if (delivery !== 'streamed' || ticket?.attempt === 1) return '';
  if (!target.continues || targets.refusesPrefill(target) || mayBeStructured(modelOptions)) return '';
  const answer = new AnswerSoFar();
  for (const piece of await streams.pieces(turnId)) answer.take(piece);
  const isPossible = utf8Length(answer.text) <= completionLimit(policy, { maxTokens }) * maxBytesPerToken;
  return isPossible ? answer.text : '';
}

/**
 * A model may continue broken JSON with a complete new document; concatenated, that looks valid but is not. And a model
 * that has tools may call one instead of continuing.
 */
function mayBeStructured(modelOptions: ModelCallInput['modelOptions'] = {}): boolean {
  const { tools, response_format: format } = modelOptions;
  const isText = format === undefined || format === null || (format as { type?: unknown }).type === 'text';
  return !isText || (tools !== undefined && tools !== null);
}
