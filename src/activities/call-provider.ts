import type { Policy, Target } from '../contract/policy';
import type { ModelCallInput } from '../contract/turn';
import { healthSignal } from '../domain/turn/outcome-meanings';
import { armCalled } from '../domain/turn/routing';
import { attemptTimeoutMs } from '../domain/turn/retry-schedule';
import { withThoughtsFor } from '../domain/turn/thoughts';
import type { CompletionRequest, CompletionResult, Provider } from '../contract/provider';
import { completionLimit } from './admit-turn';
import type { ActivityDependencies } from './dependencies';
import { ImageMemory } from './restore-images';
import { notMade } from './settlements';

/** Shared by all calls of this process. */
const imageMemory = new ImageMemory();

export interface Call {
  readonly input: ModelCallInput;
  readonly target: Target;
  readonly provider: Provider;
  readonly callIndex: number;
  readonly signal: AbortSignal | undefined;
}

/** Makes the call, within its timeouts, unless the target's circuit is open. `onText` receives the text of a stream as it arrives. */
export async function callProvider(
  dependencies: ActivityDependencies,
  call: Call,
  completion: Pick<CompletionRequest, 'messages' | 'requestId' | 'traceparent'> & {
    readonly onText: (text: string) => void;
  },
): Promise<CompletionResult> {
  const { policy, targets } = dependencies;
  const { input, target, provider, callIndex, signal } = call;
  const timeLeftMs = input.deadlineAtMs - Date.now();
  if (timeLeftMs <= 0) return notMade('timeout', "The turn's deadline passed before this call started.");

  const streams = isStreamed(call);
  const limitMs = streams ? target.stream.totalMs : attemptTimeoutMs(policy.retry, callIndex, Math.random());
  const { requestId, traceparent, onText } = completion;
  const messages = withThoughtsFor(target.model, completion.messages);
  const { operation } = input;
  if (operation !== undefined && provider.runOperation === undefined) {
    return notMade('bad-request', `${provider.name} is of a kind that has no ${operation}.`);
  }
  const request: Omit<CompletionRequest, 'messages' | 'timeoutMs'> = {
    model: target.model,
    temperature: input.temperature ?? defaultTemperature(policy, input.modelOptions),
    rules: target.requestRules,
    maxTokens: completionLimit(policy, input),
    options: input.modelOptions,
    requestId,
    ...(traceparent !== undefined && { traceparent }),
    signal,
  };
  // Pictures may have waited for others.
  const timeoutMs = () => Math.max(1, Math.min(limitMs, input.deadlineAtMs - Date.now()));
  const makeCall = (shown: CompletionRequest['messages']) =>
    targets.call(target, chainOf(dependencies, call), async (onAnswering) => {
      const forwardText = (text: string): void => {
        onAnswering();
        onText(text);
      };
      const stream = streams ? { limits: target.stream, onText: forwardText } : undefined;
      const completed =
        operation !== undefined && provider.runOperation !== undefined
          ? await provider.runOperation({
              ...request,
              operation,
              options: input.modelOptions ?? {},
              timeoutMs: timeoutMs(),
            })
          : await provider.complete({ ...request, messages: shown, timeoutMs: timeoutMs(), stream });
      // A call that was cut off by the turn's deadline says nothing about its target.
      const isCutOff = completed.kind === 'failed' && Date.now() >= input.deadlineAtMs;
      const failure = completed.kind === 'completed' ? null : completed.failure;
      return { result: completed, signal: isCutOff ? 'nothing' : healthSignal(failure, input.modelOptions) };
    });
  const made = await imageMemory.use(dependencies.images, { ...input, messages }, makeCall);
  if (made.kind === 'done') return made.result ?? circuitOpen(target);
  return made.kind === 'not-kept'
    ? notMade('image-not-kept', 'A picture of this request is no longer kept. Send it again.')
    : notMade('timeout', 'Other calls with pictures took all room until the deadline of the turn.');
}

/** Whether the provider is asked for a stream. */
export function isStreamed({ target, input }: Pick<Call, 'target' | 'input'>): boolean {
  return target.streaming && (input.delivery ?? 'whole') !== 'whole';
}

/** Many models refuse it beside the `top_p` that a caller asked for. */
function defaultTemperature({ defaults }: Policy, modelOptions: ModelCallInput['modelOptions']): number | undefined {
  return modelOptions !== undefined && 'top_p' in modelOptions ? undefined : defaults.temperature;
}

export function mayCall(dependencies: ActivityDependencies, call: Call): boolean {
  return dependencies.targets.mayCall(call.target, chainOf(dependencies, call));
}

export function mayRetry(dependencies: ActivityDependencies, call: Call): boolean {
  return dependencies.targets.mayRetry(call.target, chainOf(dependencies, call));
}

export function circuitOpen({ provider, pool }: Target) {
  const reason =
    pool === undefined ? 'its circuit breaker is open after repeated failures' : 'it rests after a failure';
  return notMade('circuit-open', `${provider} was not called: ${reason}.`);
}

function chainOf({ policy }: ActivityDependencies, { input, target }: Call): readonly Target[] {
  return armCalled(policy, input.arm)?.targets ?? [target];
}
