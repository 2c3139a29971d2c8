import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ProviderKind } from '../../../src/contract/provider';

/** What a model says, whatever the format in which it is sent. */
export interface WireAnswer {
  /** The pieces of the text. */
  readonly text?: readonly string[];
  readonly thoughts?: readonly WireThought[];
  readonly calls?: readonly { readonly id: string; readonly name: string; readonly input: unknown }[];
  readonly stop?: 'stop' | 'length' | 'tool-calls' | 'refusal' | 'pause';
  readonly usage?: Partial<WireUsage>;
  readonly model?: string;
}

interface WireThought {
  readonly text: string;
  readonly signature?: string;
  readonly redacted?: string;
}

/** The prompt's tokens are the sum of the first three. */
export interface WireUsage {
  readonly freshTokens: number;
  readonly cacheReadTokens: number;
  readonly cacheWriteTokens: number;
  readonly outputTokens: number;
  readonly thinkingTokens: number;
}

export const usualUsage: WireUsage = {
  freshTokens: 12,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 7,
  thinkingTokens: 0,
};

export type WireError =
  | 'rate-limited'
  | 'overloaded'
  | 'internal'
  | 'context-length'
  | 'bad-request'
  | 'unauthorized'
  | 'forbidden'
  | 'unknown-model'
  | 'too-large';

/** A provider's format: what `kinds` differ in. */
export interface WireFormat {
  readonly kind: ProviderKind;
  readonly model: string;
  /** Its caches cost nothing to write. */
  readonly hasFreeCache?: true;
  /** It wants the signatures of its thoughts back, but not the thoughts. */
  readonly forgetsThoughts?: true;
  /** It does not say how much of an answer was thought. */
  readonly hidesThinkingTokens?: true;
  /** It takes pictures as data only. */
  readonly takesNoAddresses?: true;
  /** It has no list of models at its address. */
  readonly listsNoModels?: true;
  /** The path of the base address. */
  readonly basePath: string;
  readonly streamType: string;
  isStreamed(request: WireRequest): boolean;
  whole(answer: WireAnswer, model: string): unknown;
  /** The pieces of a stream; the first half contains no end of the answer. */
  events(answer: WireAnswer, model: string): readonly (string | Buffer)[];
  error(error: WireError): { readonly status: number; readonly body: unknown };
  errorEvent(error: WireError): string | Buffer;
  readonly malformedEvent: string | Buffer;
  /** An event that keeps the connection open; null: the format has none. */
  readonly heartbeat: string | Buffer | null;
  modelList(models: readonly string[]): unknown;
  /** The headers that a call with this key has. */
  keyHeaders(apiKey: string): Readonly<Record<string, string>>;
}

export type WireFault =
  | { readonly kind: 'error'; readonly error: WireError; readonly headers?: Readonly<Record<string, string>> }
  | { readonly kind: 'reset' | 'silence' | 'html' | 'no-body' | 'no-answer' | 'huge' | 'endless' }
  /** With status 200, in the middle of an answer, or before its first piece. */
  | {
      readonly kind: 'cut' | 'stall' | 'reset-mid-body' | 'malformed' | 'byte-by-byte' | 'error-in-stream';
      readonly atStart?: boolean;
      readonly error?: WireError;
    }
  | { readonly kind: 'open-end' };

export interface WireRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

export interface WireServer {
  readonly baseUrl: string;
  readonly requests: readonly WireRequest[];
  /** Calls that are neither answered nor gone. */
  openCalls(): number;
  /** What the next calls get, in order; afterwards, `usual`. */
  queue(...replies: readonly (WireAnswer | WireFault)[]): void;
  close(): Promise<void>;
}

const usualAnswer: WireAnswer = { text: ['Your order', ' is on its', ' way.'] };

/** A real HTTP server that speaks the format of one kind of provider. */
export async function startWireServer(
  format: WireFormat,
  usual: (request: WireRequest) => WireAnswer | WireFault = () => usualAnswer,
): Promise<WireServer> {
  const queued: (WireAnswer | WireFault)[] = [];
  const requests: WireRequest[] = [];
  const open = new Set<ServerResponse>();
  const server = createServer((message, response) => {
    open.add(response);
    response.on('close', () => open.delete(response));
    void readBody(message).then((text) => {
      if (message.method === 'GET') return sendJson(response, 200, format.modelList([format.model]));
      const body = (text === '' ? {} : JSON.parse(text)) as WireRequest['body'];
      const request = { path: message.url ?? '', headers: message.headers, body };
      requests.push(request);
      const reply = queued.shift() ?? usual(request);
      const model = typeof body['model'] === 'string' ? body['model'] : format.model;
      const context = { format, response, model, isStreamed: format.isStreamed(request) };
      return 'kind' in reply ? sendFault(context, reply) : sendAnswer(context, reply);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}${format.basePath}`,
    requests,
    openCalls: () => open.size,
    queue: (...replies) => void queued.push(...replies),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Context {
  readonly format: WireFormat;
  readonly response: ServerResponse;
  readonly model: string;
  readonly isStreamed: boolean;
}

function sendAnswer({ format, response, model, isStreamed }: Context, answer: WireAnswer): void {
  if (!isStreamed) return sendJson(response, 200, format.whole(answer, model));
  response.writeHead(200, { 'content-type': format.streamType });
  for (const event of format.events(answer, model)) response.write(event);
  response.end();
}

function sendFault(context: Context, fault: WireFault): void {
  const { format, response, model, isStreamed } = context;
  switch (fault.kind) {
    case 'error': {
      const { status, body } = format.error(fault.error);
      return sendJson(response, status, body, fault.headers);
    }
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'silence':
      return;
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<html><body>Welcome to the proxy</body></html>');
      return;
    case 'no-body':
      response.writeHead(204);
      response.end();
      return;
    case 'no-answer':
      return sendJson(response, 200, {});
    case 'huge':
      response.writeHead(200, { 'content-type': isStreamed ? format.streamType : 'application/json' });
      response.end(Buffer.alloc(10_000_000, 'x'));
      return;
    case 'endless':
      return sendEndlessly(context);
    case 'open-end': {
      if (!isStreamed) return sendAnswer(context, usualAnswer);
      response.writeHead(200, { 'content-type': format.streamType });
      for (const event of format.events(usualAnswer, model)) response.write(event);
      return;
    }
    case 'cut':
    case 'stall':
    case 'reset-mid-body':
    case 'malformed':
    case 'byte-by-byte':
    case 'error-in-stream':
      return sendBroken(context, fault);
  }
}

function sendBroken(
  { format, response, model, isStreamed }: Context,
  fault: Extract<WireFault, { atStart?: boolean }>,
) {
  const all: readonly (string | Buffer)[] = isStreamed
    ? format.events(usualAnswer, model)
    : chunksOf(JSON.stringify(format.whole(usualAnswer, model)));
  const begun = fault.atStart === true ? [] : all.slice(0, Math.ceil(all.length / 2));
  const length = isStreamed ? {} : { 'content-length': String(Buffer.concat(all.map(asBuffer)).length) };
  const type = isStreamed ? format.streamType : 'application/json';
  const isWhole = fault.kind !== 'malformed' && fault.kind !== 'error-in-stream' && fault.kind !== 'cut';
  response.writeHead(200, { 'content-type': type, ...(isWhole && length) });
  response.flushHeaders();
  if (fault.kind === 'byte-by-byte') return sendByByte(response, Buffer.concat(all.map(asBuffer)));
  if (fault.kind === 'error-in-stream' && !isStreamed) {
    response.end(JSON.stringify(format.error(fault.error ?? 'overloaded').body));
    return;
  }
  for (const event of begun) response.write(event);
  switch (fault.kind) {
    case 'cut':
      response.end();
      return;
    case 'stall':
      return;
    case 'reset-mid-body':
      setImmediate(() => response.socket?.resetAndDestroy());
      return;
    case 'malformed':
      response.write(format.malformedEvent);
      for (const event of isStreamed ? all.slice(begun.length) : []) response.write(event);
      response.end();
      return;
    case 'error-in-stream':
      response.end(format.errorEvent(fault.error ?? 'overloaded'));
  }
}

function sendByByte(response: ServerResponse, bytes: Buffer): void {
  let at = 0;
  const timer = setInterval(() => {
    response.write(bytes.subarray(at, at + 1));
    at += 1;
  }, 50);
  response.on('close', () => clearInterval(timer));
}

function sendEndlessly({ format, response, model, isStreamed }: Context): void {
  const begun = isStreamed ? format.events({ text: ['x'.repeat(10_000)] }, model) : ['{"text":"'];
  response.writeHead(200, { 'content-type': isStreamed ? format.streamType : 'application/json' });
  const piece = isStreamed
    ? Buffer.concat(begun.slice(0, Math.ceil(begun.length / 2)).map(asBuffer))
    : 'x'.repeat(10_000);
  const write = (): void => {
    while (!response.destroyed) if (!response.write(piece)) break;
    if (!response.destroyed) response.once('drain', write);
  };
  write();
}

function chunksOf(text: string): readonly string[] {
  return text.match(/[\s\S]{1,40}/g) ?? [];
}

function asBuffer(piece: string | Buffer): Buffer {
  return typeof piece === 'string' ? Buffer.from(piece) : piece;
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

async function readBody(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
