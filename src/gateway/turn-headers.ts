import type { IncomingHttpHeaders } from 'node:http';
import { badRequest } from './gateway-error';

/** What a header says of a few words; null: it is absent. @throws {GatewayError} */
export function choiceOf<Choice extends string>(
  headers: IncomingHttpHeaders,
  name: string,
  choices: readonly Choice[],
): Choice | null {
  const given = headers[name];
  if (given === undefined) return null;
  const choice = choices.find((each) => each === given);
  if (choice !== undefined) return choice;
  throw badRequest(`${name} must be ${choices.map((each) => `"${each}"`).join(' or ')}, or absent.`, name);
}
