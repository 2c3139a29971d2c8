import type { CompletionRequest, CompletionResult } from '../contract/provider';
import type { AttemptTicket, Settlement } from '../contract/turn';
import { toUsd } from '../domain/turn/prices';
import { attributes, chatOperation, eventNames, spanNames } from '../tracing/names';
import { markFailed, type NewSpan, noSpans, type Span, SpanKind, traceContextOf, withSpan } from '../tracing/spans';
import { type Call, callProvider, isStreamed } from './call-provider';
import type { ActivityDependencies } from './dependencies';
import { type CallParameters, settlementOfAnswer, settlementOfFailure } from './settlements';
import { spanAttributes } from './turn-tags';

export interface MadeCall {
  readonly result: CompletionResult;
  readonly settlement: Settlement;
}

/** Makes one call in a span of its own, and computes what it costs. */
export function tracedCall(
  dependencies: ActivityDependencies,
  call: Call,
  completion: Pick<CompletionRequest, 'messages' | 'requestId'> & { readonly onText: (text: string) => void },
  ticket: AttemptTicket,
  parameters: CallParameters,
): Promise<MadeCall> {
  const { spans = noSpans } = dependencies;
  return withSpan(spans, callSpan(call, ticket, parameters), async (span) => {
    const startedAtMs = Date.now();
    const traceparent = traceContextOf(span)?.traceparent;
    const result = await callProvider(dependencies, call, { ...completion, traceparent });
    const settlement =
      result.kind === 'completed'
        ? settlementOfAnswer(ticket, result, parameters)
        : settlementOfFailure(ticket, result, parameters);
    if (span.isRecording()) describeCall(span, startedAtMs, { result, settlement });
    return { result, settlement };
  });
}

function callSpan(call: Call, { attempt }: AttemptTicket, { maxTokens, operation }: CallParameters): NewSpan {
  const { input, target, provider } = call;
  const { turnId, arm, tags } = input;
  return {
    name: `${operation ?? spanNames.chat} ${target.model}`,
    kind: SpanKind.CLIENT,
    parent: tags?.trace,
    attributes: {
      [attributes.operation]: operation ?? chatOperation,
      [attributes.provider]: target.provider,
      [attributes.requestModel]: target.model,
      [attributes.requestStream]: isStreamed(call),
      [attributes.maxTokens]: maxTokens,
      ...(provider.server && {
        [attributes.serverAddress]: provider.server.address,
        [attributes.serverPort]: provider.server.port,
      }),
      ...spanAttributes(turnId, { ...tags, arm }),
      [attributes.target]: target.name,
      [attributes.attempt]: attempt,
    },
  };
}

function describeCall(span: Span, startedAtMs: number, { result, settlement }: MadeCall): void {
  const { usage, httpStatus, firstTokenMs = null, state, costNanoUsd } = settlement;
  if (httpStatus !== null) span.setAttribute(attributes.httpStatus, httpStatus);
  if (firstTokenMs !== null) {
    span.setAttribute(attributes.timeToFirstChunk, firstTokenMs / 1000);
    span.addEvent(eventNames.firstToken, undefined, startedAtMs + firstTokenMs);
  }
  if (usage !== null) {
    span.setAttributes({
      [attributes.inputTokens]: usage.promptTokens,
      [attributes.cachedInputTokens]: usage.cachedPromptTokens,
      [attributes.outputTokens]: usage.completionTokens,
    });
    if (usage.cacheWriteTokens !== undefined) {
      span.setAttribute(attributes.cacheWriteInputTokens, usage.cacheWriteTokens);
    }
    if (usage.reasoningTokens !== undefined) span.setAttribute(attributes.reasoningTokens, usage.reasoningTokens);
  }
  if (state === 'settled') span.setAttribute(attributes.cost, toUsd(costNanoUsd));
  if (result.kind === 'failed') {
    markFailed(span, result.failure.kind);
    return;
  }
  span.setAttribute(attributes.responseModel, result.model);
  if (result.finishReason !== null) span.setAttribute(attributes.finishReasons, [result.finishReason]);
}
