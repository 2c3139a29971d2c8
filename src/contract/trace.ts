/** Which trace something belongs to, and which span caused it: the headers of W3C Trace Context. */
export interface TraceContext {
  /** `00-{trace id}-{span id}-{flags}`, 55 characters. */
  readonly traceparent: string;
  /** What tracing systems attach to it; at most 512 characters. */
  readonly tracestate?: string;
}
