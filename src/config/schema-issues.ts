import type { z } from 'zod';

export type ConfigPath = readonly PropertyKey[];

interface Issue {
  readonly place: ConfigPath;
  readonly message: string;
}

/** What zod found, one problem for each place, in words for the person who wrote the file. Values are never repeated. */
export function describeIssues({ issues }: Pick<z.ZodError, 'issues'>): Issue[] {
  return issues.flatMap((issue) => describe(issue, []));
}

/** `arms.holysheep.targets[1].provider`, `models["gpt-4.1"].price`. */
export function formatPath(place: ConfigPath): string {
  return place
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[A-Za-z_$][\w$-]*$/.test(String(key))) return `[${JSON.stringify(String(key))}]`;
      return index === 0 ? String(key) : `.${String(key)}`;
    })
    .join('');
}

function describe(issue: z.core.$ZodIssue, parent: ConfigPath): Issue[] {
  const place = [...parent, ...issue.path];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ place: [...place, key], message: unknownKey(key) }));
    case 'invalid_key':
      return issue.issues.map((inner) => ({ place, message: inner.message }));
    case 'invalid_union':
      return describeUnion(issue, place);
    case 'invalid_type':
      return [{ place, message: expectedType(issue) }];
    case 'invalid_value':
      return [{ place, message: `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}` }];
    case 'too_small':
      return [{ place, message: `must ${bound(issue.origin, 'at least', issue.minimum)}` }];
    case 'too_big':
      return [{ place, message: `must ${bound(issue.origin, 'at most', issue.maximum)}` }];
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
      break;
  }
  return [{ place, message: issue.message }];
}

/** The alternative that went furthest is the one that was meant. */
function describeUnion(issue: z.core.$ZodIssueInvalidUnion, place: ConfigPath): Issue[] {
  if (issue.message !== 'Invalid input') return [{ place, message: issue.message }];
  const alternative = issue.errors.find((issues) => issues.some(isInside)) ?? issue.errors[0] ?? [];
  return alternative.flatMap((inner) => describe(inner, place));
}

function isInside(issue: z.core.$ZodIssue): boolean {
  return issue.path.length > 0 || issue.code === 'unrecognized_keys';
}

function unknownKey(key: string): string {
  if (/^(api)?[-_]?(key|token|secret|password)$/i.test(key)) {
    return 'a key does not belong in this file: put it in an environment variable and name that in apiKeyEnv, or in a file and name that in apiKeyFile';
  }
  return 'is not a setting; look for a typing mistake';
}

function expectedType(issue: z.core.$ZodIssueInvalidType): string {
  if (issue.message.endsWith('received undefined')) return 'is missing';
  const words: Partial<Record<string, string>> = {
    int: 'a whole number',
    object: 'an object',
    record: 'an object',
    array: 'a list',
  };
  return `must be ${words[issue.expected] ?? `a ${issue.expected}`}`;
}

function bound(origin: string, limit: string, value: number | bigint): string {
  if (origin === 'array') return `have ${limit} ${value} entries`;
  return origin === 'string' ? `have ${limit} ${value} characters` : `be ${limit} ${value}`;
}
