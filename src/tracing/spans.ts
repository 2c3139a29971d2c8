/**
 * Spans whose parent is passed on explicitly, from header to turn to activity: no context is held in async hooks, which
 * cost every promise of a process, and none exists in a workflow.
 */
import {
  type Attributes,
  context,
  createTraceState,
  INVALID_SPAN_CONTEXT,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import type { TraceContext } from '../contract/trace';
import { traceIdOf } from '../domain/turn/trace-context';
import { attributes } from './names';

export { SpanKind, type Span } from '@opentelemetry/api';

/** What makes spans. */
export type SpanSource = Pick<Tracer, 'startSpan'>;

const noSpan = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);

/** Traces are off. */
export const noSpans: SpanSource = { startSpan: () => noSpan };

export interface NewSpan {
  readonly name: string;
  /** Default: internal. */
  readonly kind?: SpanKind;
  /** Undefined: the span begins a trace. */
  readonly parent: TraceContext | undefined;
  readonly attributes?: Attributes;
}

export function startSpan(source: SpanSource, span: NewSpan): Span {
  const { name, kind = SpanKind.INTERNAL, parent } = span;
  const parentContext = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, fromHeaders(parent));
  return source.startSpan(name, { kind, attributes: span.attributes }, parentContext);
}

/** Runs `work` in a span. If it throws, the span says by what type of error, and not with which words. */
export async function withSpan<Result>(
  source: SpanSource,
  newSpan: NewSpan,
  work: (span: Span) => Promise<Result>,
): Promise<Result> {
  const span = startSpan(source, newSpan);
  try {
    return await work(span);
  } catch (error) {
    markFailed(span, error instanceof Error ? error.name : 'unknown');
    throw error;
  } finally {
    span.end();
  }
}

/** @param errorType one of few names, never a message */
export function markFailed(span: Span, errorType: string): void {
  span.setAttribute(attributes.errorType, errorType);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The headers that make others children of a span; undefined if traces are off. */
export function traceContextOf(span: Span): TraceContext | undefined {
  const spanContext = span.spanContext();
  return isSpanContextValid(spanContext) ? toHeaders(spanContext) : undefined;
}

/** Of the span that is active in the code that calls, if its process uses OpenTelemetry. */
export function activeTraceContext(): TraceContext | undefined {
  const span = trace.getSpan(context.active());
  return span && traceContextOf(span);
}

function toHeaders({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceContext {
  const tracestate = traceState?.serialize() ?? '';
  const traceparent = `00-${traceId}-${spanId}-0${traceFlags & 0b11}`;
  return { traceparent, ...(tracestate !== '' && { tracestate }) };
}

function fromHeaders(parent: TraceContext): SpanContext {
  const { traceparent, tracestate } = parent;
  return {
    traceId: traceIdOf(parent),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53), 16),
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  };
}
