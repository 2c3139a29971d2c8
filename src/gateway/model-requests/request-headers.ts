import { turnHeadersSchema } from '../completions-route';

/** Requests for vectors and moderations belong to no session. */
export const requestHeadersSchema = turnHeadersSchema.pick({ 'idempotency-key': true }).loose();
