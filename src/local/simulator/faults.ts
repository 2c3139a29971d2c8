/** What faults look like on the wire. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { foreignCaller } from '../../access/loopback';
import type { Fault, StatusFault } from './behaviour';
import type { CompletionBody } from './completion';
import { errorBody, type WholeBodyFault } from './stream-script';

const jsonType = 'application/json';
export const streamType = 'text/event-stream; charset=utf-8';

export type FaultyAnswer = Exclude<Fault, { kind: 'status' | 'reset' | 'silence' }>;

export function isFaultyAnswer(fault: Fault): fault is FaultyAnswer {
  return fault.kind !== 'status' && fault.kind !== 'reset' && fault.kind !== 'silence';
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

/** Sends an error in OpenAI's format. */
export function sendError(response: ServerResponse, error: Omit<StatusFault, 'kind'>): void {
  const { status, message = `Simulated status ${status}.`, type = 'simulated_error', code = null } = error;
  sendJson(response, status, { error: { message, type, param: null, code } }, error.headers);
}

/** Whether a patient and tolerant client gets its answer despite the fault. */
export function isUsable(fault: Fault | null): boolean {
  return (
    fault === null || ['false-usage', 'late-first-token', 'no-done', 'json-instead-of-stream'].includes(fault.kind)
  );
}

/** Faults that are sent as one body even if a stream was requested. */
export function hasWholeBody(fault: Fault): fault is WholeBodyFault {
  return ['html', 'large-body', 'slow-body', 'json-instead-of-stream'].includes(fault.kind);
}

/**
 * Sends a faulty answer. Returns once sending has started; slow answers continue until they end or the client disconnects.
 * `stream` is the text of the whole stream, if one was requested.
 */
export function sendFaultyAnswer(
  response: ServerResponse,
  fault: FaultyAnswer,
  body: CompletionBody,
  stream: string | null,
): void {
  const [choice] = body.choices;
  switch (fault.kind) {
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<!doctype html><html><body><h1>Welcome to nginx!</h1></body></html>');
      break;
    case 'cut':
    case 'invalid-json':
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body).slice(0, -20));
      break;
    case 'no-choices':
      sendJson(response, 200, { ...body, choices: [] });
      break;
    case 'null-content': {
      const message = { role: 'assistant', content: null };
      const choices = [{ ...choice, message, finish_reason: fault.finishReason ?? 'stop' }];
      sendJson(response, 200, { ...body, choices });
      break;
    }
    case 'no-usage':
      sendJson(response, 200, { ...body, usage: undefined });
      break;
    case 'false-usage':
      sendJson(response, 200, { ...body, usage: fault.usage });
      break;
    case 'error-in-body':
      sendJson(response, 200, errorBody(fault));
      break;
    case 'reset-mid-body':
      sendHalf(response, JSON.stringify(body), () => response.destroy());
      break;
    case 'stall':
      sendHalf(response, JSON.stringify(body), () => undefined);
      break;
    case 'large-body':
      sendLarge(response, fault.bytes, stream === null ? largeJson : largeStream);
      break;
    case 'slow-body':
      sendSlowly(
        response,
        stream ?? JSON.stringify(body),
        fault.bytesPerSecond,
        stream === null ? jsonType : streamType,
      );
      break;
    case 'late-first-token':
      sendLate(response, JSON.stringify(body), fault.ms);
      break;
    case 'no-done':
    case 'json-instead-of-stream':
      sendJson(response, 200, body);
      break;
  }
}

function sendHalf(response: ServerResponse, text: string, then: () => void): void {
  response.writeHead(200, { 'content-type': jsonType, 'content-length': Buffer.byteLength(text) });
  response.write(text.slice(0, text.length / 2), then);
}

function sendLate(response: ServerResponse, text: string, ms: number): void {
  response.writeHead(200, { 'content-type': jsonType, 'content-length': Buffer.byteLength(text) });
  response.flushHeaders();
  const timer = setTimeout(() => response.end(text), ms);
  response.once('close', () => clearTimeout(timer));
}

function sendSlowly(response: ServerResponse, text: string, bytesPerSecond: number, contentType: string): void {
  const bytes = Buffer.from(text);
  response.writeHead(200, { 'content-type': contentType, 'content-length': bytes.length });
  // Timers fire once per millisecond at most.
  const bytesAtOnce = Math.max(1, Math.round(bytesPerSecond / 1000));
  let sent = 0;
  const timer = setInterval(
    () => {
      response.write(bytes.subarray(sent, sent + bytesAtOnce));
      sent += bytesAtOnce;
      if (sent < bytes.length) return;
      clearInterval(timer);
      response.end();
    },
    (1000 * bytesAtOnce) / bytesPerSecond,
  );
  response.once('close', () => clearInterval(timer));
}

interface LargeBody {
  readonly contentType: string;
  readonly opening: string;
  readonly padding: Buffer;
  readonly closing: string;
}

const letters = 'a'.repeat(64 * 1024);

const largeJson: LargeBody = {
  contentType: jsonType,
  opening: '{"choices":[{"message":{"content":"',
  padding: Buffer.from(letters),
  closing: '"}}]}',
};

const largeStream: LargeBody = {
  contentType: streamType,
  opening: '',
  padding: Buffer.from(`data: {"choices":[{"index":0,"delta":{"content":"${letters}"}}]}\n\n`),
  closing: 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
};

/** Sends `bytes`, rounded up to whole paddings, as fast as the client reads. */
function sendLarge(response: ServerResponse, bytes: number, large: LargeBody): void {
  response.writeHead(200, { 'content-type': large.contentType });
  response.write(large.opening);
  let left = bytes;
  const writeMore = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= large.padding.length;
      if (!response.write(large.padding)) {
        response.once('drain', writeMore);
        return;
      }
    }
    response.end(large.closing);
  };
  writeMore();
}

/** Rejects requests from foreign web pages, which must neither call nor control the simulator. Returns whether it did. */
export function refuseForeignPage(request: IncomingMessage, response: ServerResponse): boolean {
  const foreign = foreignCaller(request.headers);
  if (foreign === undefined) return false;
  request.resume();
  sendError(response, {
    status: 403,
    message: `The simulator accepts only requests from programs on this machine, but the ${foreign.header} header names another host.`,
  });
  return true;
}
