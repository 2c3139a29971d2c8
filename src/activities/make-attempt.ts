import type { Target } from '../contract/policy';
import { turnIdOf } from '../contract/names';
import type { AttemptTicket, CallOutcome, ModelCallInput } from '../contract/turn';
import { measurePrompt } from '../domain/cjk';
import { Continuation, type PlacedText } from '../domain/continuation';
import { withPrefill } from '../domain/prefill';
import { retryDelayMs } from '../domain/retry-schedule';
import type { Provider } from '../providers/provider';
import { completionLimit } from './admit-turn';
import { askProvider, type Call, circuitOpen, mayAsk } from './ask-provider';
import { begunAnswer } from './begun-answer';
import type { ActivityDependencies } from './dependencies';
import { giveBack, reserveAttempt } from './reserve-attempt';
import { settlementOfAnswer, settlementOfFailure } from './settlements';

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
  const begun = await begunAnswer(dependencies, input, call.target, ticket);
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
