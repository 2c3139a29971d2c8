import type { FastifyInstance } from 'fastify';
import { badRequest } from './gateway-error';

/** OpenAI's schemas of tools nest ten levels or so; unlimited ones could exhaust the stack of whoever walks them. */
const maxDepth = 100;

const isEmpty = 'The body is empty; it must be a JSON object.';
const isInvalid = 'The body is not valid JSON, or has a field named __proto__ or constructor.prototype.';

/** JSON alone: a page in a browser cannot send it to another origin without being asked first. */
export function readJsonBodies(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, done) => {
    void parse(request, String(text), (error, body: unknown) => {
      if (error) done(badRequest(text === '' ? isEmpty : isInvalid, null, 'invalid_json'));
      else if (isTooDeep(body)) {
        done(badRequest(`The body is nested deeper than the limit of ${maxDepth} levels.`, null, 'invalid_json'));
      } else done(null, body);
    });
  });
}

/** Level by level, because a walk by recursion would fail where it matters. */
function isTooDeep(body: unknown): boolean {
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > maxDepth) return true;
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
  return false;
}
