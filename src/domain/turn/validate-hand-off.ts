import {
  type HandOverInput,
  maxAuthorCharacters,
  maxReasonCharacters,
  type PersonMessageInput,
} from '../../contract/hand-off';
import type { Problem } from '../../contract/problem';
import { contentProblem, idProblem } from './validate-input';

/** What is wrong with the input of `handOver`, or null. */
export function handOverProblem({ reason }: HandOverInput): Problem | null {
  return reason === undefined ? null : shortTextProblem('reason', reason, maxReasonCharacters);
}

/** What is wrong with a person's message, or null. */
export function personMessageProblem({ messageId, content, author }: PersonMessageInput): Problem | null {
  const problem = idProblem(['messageId'], messageId) ?? contentProblem(['content'], content);
  return problem ?? (author === undefined ? null : shortTextProblem('author', author, maxAuthorCharacters));
}

function shortTextProblem(field: string, value: unknown, limit: number): Problem | null {
  if (typeof value !== 'string' || value.trim() === '') {
    return { path: [field], code: 'wrong-type', message: 'must be a non-empty string' };
  }
  if (value.length <= limit) return null;
  const message = `has ${value.length} characters, the limit is ${limit}`;
  return { path: [field], code: 'too-long', message, limit };
}
