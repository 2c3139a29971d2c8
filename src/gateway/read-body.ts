import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { exceededLimit } from '../domain/turn/json-shape';
import { GatewayError } from './gateway-error';
import { declaredBytes, type GatewayLimits } from './limits';
import { RequestImages, takeImages } from './take-images';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the texts of the body, without its pictures; 0 without a body. */
    bodyBytes: number;
    /** Of the body as it came, compressed or not. */
    receivedBytes: number;
    /** The pictures of the body, which holds references in their place. */
    images: RequestImages | undefined;
  }
}

/** OpenAI's schemas of tools nest ten levels or so; unlimited ones could exhaust the stack of whoever walks them. */
const maxDepth = 100;

/**
 * Each costs every later step some time, from the schema to the workflow's activation, however short it is: a body of 1 MiB can
 * hold half a million. `maxMessages` messages with tools have 15,000, and `maxTools` tools as many.
 */
const maxValues = 50_000;

const isEmpty = 'The body is empty; it must be a JSON object.';
const isInvalid = 'The body is not valid JSON, or has a field named __proto__ or constructor.prototype.';

type BodyLimits = Pick<GatewayLimits, 'maxTextBytes' | 'maxBodyBytes'>;

/** JSON alone: a page in a browser cannot send it to another origin without being asked first. */
export function readJsonBodies(server: FastifyInstance, limits: BodyLimits): void {
  server.decorateRequest('bodyBytes', 0);
  server.decorateRequest('receivedBytes', 0);
  server.decorateRequest('images');
  const parser = server.getDefaultJsonParser('error', 'error');
  const parse = (request: FastifyRequest, text: string) =>
    new Promise<unknown>((resolve, reject) => {
      void parser(request, text, (error, body: unknown) => (error ? reject(error) : resolve(body)));
    });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', async (request: FastifyRequest, stream: Readable) => {
    const declared = declaredBytes(request);
    if (declared > limits.maxBodyBytes) throw tooLarge(limits.maxBodyBytes).unread();
    request.open.requireRoomFor(mostBytes(declared, request, limits));
    // Room is taken as the body arrives: otherwise, bodies that are declared and never sent would take all of it.
    const received = await receive(stream, limits.maxBodyBytes, (length) =>
      request.open.weigh(mostBytes(length, request, limits)),
    );
    request.receivedBytes = received.length;
    const bytes = await decoded(received, request, limits);
    const body = await parse(request, bytes.toString()).catch(() => {
      throw new GatewayError('invalid_json', bytes.length === 0 ? isEmpty : isInvalid);
    });
    refuseShape(body);
    const { list, textBytes } = takeImages(body);
    request.bodyBytes = bytes.length - textBytes;
    if (request.bodyBytes > limits.maxTextBytes) throw tooLarge(limits.maxTextBytes, list.length > 0);
    if (list.length === 0) request.open.weigh(request.bodyBytes);
    else request.images = new RequestImages(list, () => request.open.weigh(request.bodyBytes));
    return body;
  });
}

function tooLarge(limit: number, hasImages = false): GatewayError {
  const what = hasImages ? 'The body without its pictures' : 'The body';
  return new GatewayError('request_too_large', `${what} is larger than the limit of ${limit} bytes.`);
}

/**
 * Leaves the connection open where it stops reading, so that the answer gets out.
 * @param makeRoom is told how much has come; throws when there is no room for it
 */
function receive(stream: Readable, limit: number, makeRoom: (length: number) => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const stop = (): void => {
      stream.removeListener('data', take);
      stream.removeListener('end', end);
      stream.removeListener('error', breakOff);
      stream.removeListener('close', breakOff);
    };
    const refuse = (error: GatewayError): void => {
      stop();
      stream.on('error', () => undefined);
      stream.resume();
      reject(error.unread());
    };
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > limit) return refuse(tooLarge(limit));
      try {
        makeRoom(length);
      } catch (error) {
        refuse(error as GatewayError);
      }
    };
    const end = (): void => {
      stop();
      resolve(Buffer.concat(chunks, length));
    };
    const breakOff = (): void => {
      stop();
      reject(new GatewayError('invalid_body', 'The connection ended before the body was whole.'));
    };
    stream.on('data', take).once('end', end).once('error', breakOff).once('close', breakOff);
  });
}

type Decompress = (bytes: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>;
const decompressions: ReadonlyMap<string, Decompress> = new Map<string, Decompress>([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  // Some send what is inside of zlib's envelope, whose first byte names the method, 8.
  ['deflate', (bytes, options) => promisify((bytes[0]! & 0x0f) === 8 ? inflate : inflateRaw)(bytes, options)],
  ['br', promisify(brotliDecompress)],
]);
const acceptedEncodings = 'gzip, deflate, br';

/** A picture in base64 shrinks by a quarter; whatever shrinks more is text, which has a limit of its own. */
const maxShrinkage = 3;

/** The most memory that a body can take once it is decompressed, given how much of it has arrived. */
function mostBytes(received: number, request: FastifyRequest, { maxBodyBytes, maxTextBytes }: BodyLimits): number {
  if (received === 0 || encodingOf(request) === null) return received;
  return Math.min(maxBodyBytes, maxTextBytes + maxShrinkage * received);
}

/** null: the body is not compressed. */
function encodingOf({ headers }: FastifyRequest): string | null {
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  return encoding === 'identity' || encoding === '' ? null : encoding;
}

async function decoded(bytes: Buffer, request: FastifyRequest, limits: BodyLimits): Promise<Buffer> {
  const encoding = encodingOf(request);
  if (encoding === null || bytes.length === 0) return bytes;
  const decompress = decompressions.get(encoding);
  if (decompress === undefined) {
    throw new GatewayError(
      'unsupported_media_type',
      `The body is in a content-encoding that is not taken here: send it in one of ${acceptedEncodings}, or as it is.`,
      { param: 'content-encoding', headers: { 'accept-encoding': acceptedEncodings } },
    );
  }
  const maxOutputLength = mostBytes(bytes.length, request, limits);
  try {
    return await decompress(bytes, { maxOutputLength });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxOutputLength);
    throw new GatewayError('invalid_body', `The body is not what its content-encoding says, ${encoding}.`, {
      param: 'content-encoding',
    });
  }
}

function refuseShape(body: unknown): void {
  const exceeded = exceededLimit(body, { maxDepth, maxValues });
  if (exceeded === null) return;
  throw new GatewayError(
    'invalid_json',
    exceeded === 'maxDepth'
      ? `The body is nested deeper than the limit of ${maxDepth} levels.`
      : `The body holds more fields and entries than the limit of ${maxValues} in all.`,
  );
}
