import type { FastifyRequest, onRequestAsyncHookHandler } from 'fastify';
import { sessionIdOf } from '../contract/names';
import type { TraceContext } from '../contract/trace';
import { parseTraceContext, traceIdOf } from '../domain/turn/trace-context';
import { attributes } from '../tracing/names';
import { markFailed, noSpans, type Span, SpanKind, startSpan, traceContextOf } from '../tracing/spans';
import type { BegunTurn } from './begin-turn';
import type { GatewayContext } from './context';
import type { GatewayError } from './gateway-error';

declare module 'fastify' {
  interface FastifyRequest {
    span: Span;
    /** Of its span, or its caller's if traces are off; undefined if there is neither. */
    trace: TraceContext | undefined;
    /** How its turn ended, if not with an answer. */
    turnError: GatewayError | undefined;
  }
}

/**
 * Opens a span for a request that begins or joins a turn, as a child of its caller's. It comes after the check of the key,
 * so that strangers cannot fill the queue of spans.
 */
export function traceTurn({ spans = noSpans }: Pick<GatewayContext, 'spans'>): onRequestAsyncHookHandler {
  return async (request) => {
    const { headers, method, apiKey } = request;
    const route = request.routeOptions.url ?? '';
    const parent = parseTraceContext(headers['traceparent'], headers['tracestate']);
    request.span = startSpan(spans, {
      name: `${method} ${route}`,
      kind: SpanKind.SERVER,
      parent,
      attributes: {
        [attributes.httpMethod]: method,
        [attributes.httpRoute]: route,
        [attributes.urlPath]: route,
        [attributes.urlScheme]: 'http',
        [attributes.key]: apiKey.id,
      },
    });
    request.trace = traceContextOf(request.span) ?? parent;
    if (request.trace !== undefined) request.log = request.log.child({ trace_id: traceIdOf(request.trace) });
    request.whenEnded = (status) => endSpan(request, status);
  };
}

/** For the request's span, and for its line in the log. */
export function noteTurn(request: FastifyRequest, { turnId, turnName, end }: BegunTurn): void {
  const sessionId = sessionIdOf(turnName);
  request.span.setAttributes({
    [attributes.turn]: turnId,
    ...(sessionId !== null && { [attributes.conversation]: sessionId }),
  });
  void end.then((ended) => {
    request.arm = ('reply' in ended ? ended.reply.handler : ended.arm) ?? undefined;
    if ('error' in ended) request.turnError = ended.error;
  });
}

function endSpan({ span, arm, turnError }: FastifyRequest, status: number): void {
  span.setAttribute(attributes.httpStatus, status);
  if (arm !== undefined) span.setAttribute(attributes.arm, arm);
  // The status of a stream says nothing about its end.
  if (turnError !== undefined && turnError.status >= 500) markFailed(span, turnError.fields.code);
  else if (status >= 500) markFailed(span, String(status));
  span.end();
}
