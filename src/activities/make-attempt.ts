import { randomUUID } from 'node:crypto';
import { turnIdOf } from '../contract/names';
import type { Target } from '../contract/policy';
import type { Provider } from '../contract/provider';
import type { AttemptTicket, CallOutcome, ModelCallInput } from '../contract/turn';
import { AnswerSoFar } from '../domain/stream/answer-so-far';
import { measurePrompt } from '../domain/turn/cjk';
import { Continuation, type PlacedText, withPrefill } from '../domain/turn/continuation';
import { refusalReason } from '../domain/turn/degraded-reply';
import { utf8Length } from '../domain/turn/messages';
import { retryDelayMs } from '../domain/turn/retry-schedule';
import { completionLimit, reservationFor } from './admit-turn';
import { askProvider, type Call, circuitOpen, mayAsk } from './ask-provider';
import type { ActivityDependencies } from './dependencies';
import { type Failed, notMade, settlementOfAnswer, settlementOfFailure } from './settlements';

/**
 * One attempt: reserved, made, and settled when it fails. A successful call is settled together with its turn, in the
 * same transaction. `callIndex` counts the attempts of this target from 0.
 *
 * A streamed turn that has shown something of an answer is asked to go on from it. A target that refuses that is asked
 * again at once without it: a second call with a reservation and a row of its own, whose outcome is the attempt's.
 */
export async function makeAttempt(
  dependencies: ActivityDependencies,
  input: ModelCallInput,
  ticket: AttemptTicket | null,
  callIndex: number,
  signal: AbortSignal | undefined,
): Promise<CallOutcome> {
  const call = { ...resolveTarget(dependencies, input), input, callIndex, signal };
  const begun = await partialAnswer(dependencies, input, call.target, ticket);
  if (begun === '') return callOnce(dependencies, call, ticket, '');

  // It was reserved for the messages alone, by a worker or a task that is lost.
  if (ticket) await giveBack(dependencies, input, ticket);
  const continued = await callOnce(dependencies, call, null, begun);
  if (!isRefusedPrefill(continued)) return continued;

  const anew = await callOnce(dependencies, call, null, '');
  // What is refused either way was not refused for its last message, and what was too long this time is not next time.
  const isAboutPrefill = continued.failure.kind === 'bad-request' && !isRefusedPrefill(anew);
  if (isAboutPrefill) dependencies.targets.prefillRefused(call.target);
  return anew;
}

/**
 * Any 400 may be about what was added to the messages, also one about their length. Only of refused content the provider
 * has said what it is about, and that is not asked again.
 */
function isRefusedPrefill(outcome: CallOutcome): outcome is Extract<CallOutcome, { kind: 'failed' }> {
  if (outcome.kind !== 'failed') return false;
  const { kind, httpStatus } = outcome.failure;
  return kind === 'bad-request' || (httpStatus === 400 && kind !== 'content-filter');
}

async function callOnce(
  dependencies: ActivityDependencies,
  call: Call,
  ticket: AttemptTicket | null,
  begun: string,
): Promise<CallOutcome> {
  const { ledger, policy, streams } = dependencies;
  const { input, target, callIndex } = call;
  // Without a reservation there is nothing to settle, and none is made in vain.
  if (ticket === null && !mayAsk(dependencies, call)) {
    return { kind: 'failed', failure: circuitOpen(target).failure, retryDelayMs: null };
  }
  const messages = begun === '' ? input.messages : withPrefill(input.messages, begun);
  const prompt = begun === '' ? input.prompt : measurePrompt(messages, input.modelOptions);
  const reserved = ticket ?? (await reserveAttempt(dependencies, { ...input, prompt }, target));
  if ('failure' in reserved) return { kind: 'failed', failure: reserved.failure, retryDelayMs: null };

  const { turnId, delivery } = input;
  const { attempt } = reserved;
  const answer = new Continuation(begun);
  const show = (placed: PlacedText | null): void => {
    if (placed && delivery === 'streamed') streams.write(turnId, { attempt, ...placed });
  };
  const result = await askProvider(dependencies, call, {
    messages,
    requestId: `${turnIdOf(turnId)}.${attempt}`,
    onText: (text) => show(answer.take(text)),
  });

  if (result.kind === 'completed') {
    // A target that does not stream says it all at once.
    show(answer.take(result.content.slice(answer.takenLength)));
    const { content, rest } = answer.finish();
    show(rest);
    const { model, finishReason, refusal, toolCalls } = result;
    const maxTokens = completionLimit(policy, input.maxTokens);
    const settlement = settlementOfAnswer(reserved, result, { target, prompt, maxTokens });
    const said = { content, finishReason, ...(refusal && { refusal }), ...(toolCalls && { toolCalls }) };
    return { kind: 'answered', ...said, model, settlement };
  }
  await ledger.settleAttempt(turnId, settlementOfFailure(reserved, result));
  const { failure, receivedBytes } = result;
  // A target that is left alone from now on would not be asked again after the delay either.
  const delayMs = mayAsk(dependencies, call)
    ? retryDelayMs(policy.retry, callIndex, failure, receivedBytes, Math.random())
    : null;
  const wouldMissDeadline = delayMs !== null && Date.now() + delayMs >= input.deadlineAtMs;
  return { kind: 'failed', failure, retryDelayMs: wouldMissDeadline ? null : delayMs };
}

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

/** Reserves what a further call of an admitted turn may cost at worst. */
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
    atMs: Date.now(),
  });
  if (result.kind === 'reserved') return { attempt: result.attempt, reservedNanoUsd: result.reservedNanoUsd, owner };
  return notMade('budget', result.scope === 'closed' ? 'The session was closed.' : refusalReason(result.scope));
}

/** A reservation that is too small for what is to be asked, and that no call was made for. */
async function giveBack(
  { ledger }: ActivityDependencies,
  { turnId }: ModelCallInput,
  ticket: AttemptTicket,
): Promise<void> {
  const unused = notMade('cancelled', 'The call was replaced by one that goes on from an answer which broke off.');
  await ledger.settleAttempt(turnId, settlementOfFailure(ticket, unused));
}

/** Tokens are four bytes long on average, and a few are runs of spaces. */
const mostBytesPerToken = 32;

/**
 * What callers may have seen of a streamed turn's answer from its earlier attempts; '' when this one has nothing to go on
 * from, or its target is not to be asked to. More text than the turn's tokens can be is no answer, and to send it on would
 * cost more than to begin anew.
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
  const isPossible = utf8Length(answer.text) <= completionLimit(policy, maxTokens) * mostBytesPerToken;
  return isPossible ? answer.text : '';
}

/**
 * JSON that broke off is gone on from with whatever makes a whole document by itself, and both together are none: one that
 * looks like an answer. A model that may call a tool may do so in place of the rest.
 */
function mayBeStructured(modelOptions: ModelCallInput['modelOptions'] = {}): boolean {
  const { tools, response_format: format } = modelOptions;
  const isText = format === undefined || format === null || (format as { type?: unknown }).type === 'text';
  return !isText || (tools !== undefined && tools !== null);
}
