import type { z } from 'zod';
import type { Problem, ProblemPath } from '../contract/problem';

/** Checks input from a person or a client; `problemsOf` says what is wrong with it and never repeats a value. */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
): z.ZodSafeParseResult<z.output<Schema>> {
  return schema.safeParse(input, { error: messageOf, reportInput: true });
}

/** What `parseWith` found, one problem for each place. @param whole what the input is called: `the file` */
export function problemsOf(issues: readonly z.core.$ZodIssue[], whole: string): Problem[] {
  const problems = issues.flatMap((issue) => problemsAt(issue, []));
  return problems.map((problem) =>
    problem.path.length > 0 ? problem : { ...problem, message: `${whole} ${problem.message}` },
  );
}

/** For issues whose schema has no message. An empty message means that the inner issues say more. */
function messageOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeWords[issue.expected] ?? `a ${issue.expected}`}`;
    case 'invalid_value':
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'too_small':
      return `must ${bound(issue.origin, 'at least', issue.minimum)}`;
    case 'too_big':
      return `must ${bound(issue.origin, 'at most', issue.maximum)}`;
    case 'invalid_union':
    case 'invalid_key':
      return '';
    case 'unrecognized_keys':
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
    default:
      return undefined;
  }
}

const typeWords: Partial<Record<string, string>> = {
  int: 'a whole number',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};

function bound(origin: string, limit: string, value: number | bigint): string {
  if (origin === 'array') return `have ${limit} ${value} entries`;
  return origin === 'string' ? `have ${limit} ${value} characters` : `be ${limit} ${value}`;
}

function problemsAt(issue: z.core.$ZodIssue, parent: ProblemPath): Problem[] {
  const path = [...parent, ...issue.path.map((key) => (typeof key === 'number' ? key : String(key)))];
  const { message } = issue;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], code: 'unknown-field', message: unknownKey(key) }));
    case 'invalid_key':
      return issue.issues.map((inner) => ({ path, code: 'wrong-value', message: inner.message }));
    case 'invalid_union':
      return message === '' ? problemsOfUnion(issue, path) : [{ path, code: 'wrong-value', message }];
    case 'invalid_type':
      if (issue.input === undefined) return [{ path, code: 'missing', message: 'is missing' }];
      return [{ path, code: 'wrong-type', message }];
    case 'too_small':
      return [{ path, code: tooSmall[issue.origin] ?? 'out-of-range', message, limit: Number(issue.minimum) }];
    case 'too_big':
      return [{ path, code: tooBig[issue.origin] ?? 'out-of-range', message, limit: Number(issue.maximum) }];
    case 'invalid_value':
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
      break;
  }
  return [{ path, code: 'wrong-value', message }];
}

const tooSmall: Partial<Record<string, 'too-few' | 'too-short'>> = { array: 'too-few', string: 'too-short' };
const tooBig: Partial<Record<string, 'too-many' | 'too-long'>> = { array: 'too-many', string: 'too-long' };

/** The alternative that matched furthest is probably the intended one. */
function problemsOfUnion({ errors }: z.core.$ZodIssueInvalidUnion, path: ProblemPath): Problem[] {
  const alternative = errors.find((issues) => issues.some(isInside)) ?? errors[0] ?? [];
  return alternative.flatMap((inner) => problemsAt(inner, path));
}

function isInside(issue: z.core.$ZodIssue): boolean {
  return issue.path.length > 0 || issue.code === 'unrecognized_keys';
}

function unknownKey(key: string): string {
  if (/^(api)?[-_]?(key|token|secret|password)$/i.test(key)) {
    return 'a key does not belong in this file: put it in an environment variable and name the variable in apiKeyEnv, or in a file and name the file in apiKeyFile';
  }
  return 'is not a setting; check the spelling';
}
