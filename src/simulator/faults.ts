/** How faults look on the wire. */
import type { ServerResponse } from 'node:http';
import type { Fault, StatusFault } from './behaviour';
import type { completionBody } from './completion';

type CompletionBody = ReturnType<typeof completionBody>;
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

/** An error in the form of OpenAI. */
export function sendError(response: ServerResponse, error: Omit<StatusFault, 'kind'>): void {
  const { status, message = `Simulated status ${status}.`, type = 'simulated_error', code = null } = error;
  sendJson(response, status, { error: { message, type, param: null, code } }, error.headers);
}

/** Sends an answer that is none. Returns when it is on its way; slow ones go on until they end or the client goes. */
export function sendFaultyAnswer(response: ServerResponse, fault: FaultyAnswer, body: CompletionBody): void {
  switch (fault.kind) {
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<!doctype html><html><body><h1>Welcome to nginx!</h1></body></html>');
      break;
    case 'invalid-json':
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body).slice(0, -20));
      break;
    case 'no-choices':
      sendJson(response, 200, { ...body, choices: [] });
      break;
    case 'null-content':
      sendJson(response, 200, {
        ...body,
        choices: [
          { index: 0, message: { role: 'assistant', content: null }, finish_reason: fault.finishReason ?? 'stop' },
        ],
      });
      break;
    case 'no-usage':
      sendJson(response, 200, { ...body, usage: undefined });
      break;
    case 'reset-mid-body':
      sendHalf(response, JSON.stringify(body));
      break;
    case 'large-body':
      sendLarge(response, fault.bytes);
      break;
    case 'slow-body':
      sendSlowly(response, JSON.stringify(body), fault.bytesPerSecond);
      break;
  }
}

function sendHalf(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.write(text.slice(0, text.length / 2), () => response.destroy());
}

/** A valid beginning and then padding without an end of its own, as fast as the client reads. */
function sendLarge(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write('{"choices":[{"message":{"content":"');
  const padding = Buffer.alloc(64 * 1024, 'a');
  let left = bytes;
  const writeMore = (): void => {
    while (left > 0 && !response.destroyed) {
      const chunk = padding.subarray(0, left);
      left -= chunk.length;
      if (!response.write(chunk)) {
        response.once('drain', writeMore);
        return;
      }
    }
    response.end('"}}]}');
  };
  writeMore();
}

function sendSlowly(response: ServerResponse, text: string, bytesPerSecond: number): void {
  const bytes = Buffer.from(text);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
  let sent = 0;
  const timer = setInterval(() => {
    response.write(bytes.subarray(sent, sent + 1));
    sent += 1;
    if (sent === bytes.length) response.end();
  }, 1000 / bytesPerSecond);
  response.once('close', () => clearInterval(timer));
}
