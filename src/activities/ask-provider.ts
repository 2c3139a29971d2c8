import type { Target } from '../contract/policy';
import type { ModelCallInput } from '../contract/turn';
import { healthSignals } from '../domain/turn/health-signals';
import { attemptTimeoutMs } from '../domain/turn/retry-schedule';
import type { CompletionRequest, CompletionResult, Provider } from '../contract/provider';
import { completionLimit } from './admit-turn';
import type { ActivityDependencies } from './dependencies';
import { notMade } from './settlements';

export interface Call {
  readonly input: ModelCallInput;
  readonly target: Target;
  readonly provider: Provider;
  readonly callIndex: number;
  readonly signal: AbortSignal | undefined;
}

/** The call itself, within its limits, unless its target is left alone. `onText` hears the text of a stream as it comes. */
export async function askProvider(
  dependencies: ActivityDependencies,
  call: Call,
  said: Pick<CompletionRequest, 'messages' | 'requestId'> & { readonly onText: (text: string) => void },
): Promise<CompletionResult> {
  const { policy, targets } = dependencies;
  const { input, target, provider, callIndex, signal } = call;
  const timeLeftMs = input.deadlineAtMs - Date.now();
  if (timeLeftMs <= 0) return notMade('timeout', 'The turn passed its deadline before this call began.');

  const isStreamed = target.streaming && (input.delivery ?? 'whole') !== 'whole';
  const limitMs = isStreamed ? target.stream.totalMs : attemptTimeoutMs(policy.retry, callIndex, Math.random());
  const { messages, requestId, onText } = said;
  const request: CompletionRequest = {
    model: target.model,
    messages,
    temperature: input.temperature ?? policy.defaults.temperature,
    maxTokens: completionLimit(policy, input.maxTokens),
    options: input.modelOptions,
    requestId,
    timeoutMs: Math.min(limitMs, timeLeftMs),
    signal,
  };
  const result = await targets.breakers.ask(target, chainOf(dependencies, call), async (onBegun) => {
    const heard = (text: string): void => {
      onBegun();
      onText(text);
    };
    const stream = isStreamed ? { limits: target.stream, onText: heard } : undefined;
    const completed = await provider.complete({ ...request, stream });
    // Cut off by the turn's deadline, a call tells nothing of its target.
    const isCutOff = completed.kind === 'failed' && Date.now() >= input.deadlineAtMs;
    const outcome = completed.kind === 'completed' ? 'answered' : completed.failure.kind;
    return { result: completed, signal: isCutOff ? 'nothing' : healthSignals[outcome] };
  });
  return result ?? circuitOpen(target);
}

export function mayAsk(dependencies: ActivityDependencies, call: Call): boolean {
  return dependencies.targets.breakers.mayAsk(call.target, chainOf(dependencies, call));
}

export function circuitOpen({ provider }: Target) {
  return notMade('circuit-open', `${provider} failed so often of late that it was not asked.`);
}

function chainOf({ policy }: ActivityDependencies, { input, target }: Call): readonly Target[] {
  return policy.arms[input.arm]?.targets ?? [target];
}
