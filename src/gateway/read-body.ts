import type { FastifyInstance } from 'fastify';
import { exceededLimit } from '../domain/turn/json-shape';
import { GatewayError } from './gateway-error';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the body as it came; 0 without one. */
    bodyBytes: number;
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

/** JSON alone: a page in a browser cannot send it to another origin without being asked first. */
export function readJsonBodies(server: FastifyInstance): void {
  server.decorateRequest('bodyBytes', 0);
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
    request.bodyBytes = Buffer.byteLength(text);
    void parse(request, String(text), (error, body: unknown) => {
      const problem = error ? (text === '' ? isEmpty : isInvalid) : shapeProblem(body);
      if (problem === null) done(null, body);
      else done(new GatewayError('invalid_json', problem));
    });
  });
}

function shapeProblem(body: unknown): string | null {
  const exceeded = exceededLimit(body, { maxDepth, maxValues });
  if (exceeded === null) return null;
  return exceeded === 'maxDepth'
    ? `The body is nested deeper than the limit of ${maxDepth} levels.`
    : `The body holds more fields and entries than the limit of ${maxValues} in all.`;
}
