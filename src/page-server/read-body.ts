import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { parseWith, problemsOf } from '../config/schema-issues';
import { describeProblem } from '../contract/problem';
import { PageError } from './page-error';

/** Ten times the longest reason. */
const maxBodyBytes = 16 * 1024;

/** JSON alone, which no form of another page can send. */
export function readJsonBodies(server: FastifyInstance): void {
  const parser = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: maxBodyBytes }, parser);
}

/** @throws {PageError} names the field and its limit */
export function readBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const { error, data } = parseWith(schema, body);
  if (!error) return data;
  const [problem] = problemsOf(error.issues.slice(0, 1), 'The body');
  throw new PageError(400, 'invalid_value', problem ? `${describeProblem(problem)}.` : 'The body is not valid.');
}
