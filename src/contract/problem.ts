/**
 * A problem with an input, as data: each user interface names the path in its own words, and programs need not parse
 * sentences. Temporal carries it as the first detail of an `InvalidInput` or `RolloutRefused` failure.
 */
export interface Problem {
  /** Names of fields and indexes of lists, from the outside in. Empty: the input as a whole. */
  readonly path: ProblemPath;
  readonly code: ProblemCode;
  /** What is wrong, without naming the path; a whole sentence if the path is empty. */
  readonly message: string;
  /** The limit that was exceeded, if it is a number. */
  readonly limit?: number;
}

export type ProblemPath = readonly (string | number)[];

/** Stable, for programs. A newer worker may send a code that is not listed here. */
export type ProblemCode =
  | 'missing'
  | 'wrong-type'
  | 'wrong-value'
  | 'out-of-range'
  | 'too-short'
  | 'too-long'
  | 'too-few'
  | 'too-many'
  | 'unknown-field'
  /** It contradicts another field of the input. */
  | 'contradiction'
  /** It refers to something that does not exist: a provider, an arm, a tool call that the session does not remember. */
  | 'unknown-reference'
  /** It was used before, for something else. */
  | 'already-used'
  /** Of a rollout: another one still routes traffic. */
  | 'rollout-active'
  /** Of a rollout: it would begin within a freeze window. */
  | 'frozen'
  /** Of a rollout: traffic is not at its baseline. */
  | 'traffic-elsewhere'
  /** From a worker that is too old to report more. */
  | 'unspecified';

/** `arms.holysheep.targets[1].provider`, `models["gpt-4.1"].price`. */
export function formatPath(path: ProblemPath): string {
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[A-Za-z_$][\w$-]*$/.test(key)) return `[${JSON.stringify(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join('');
}

/** `messages[0].content must be a non-empty string`, with the path in the reader's own words. */
export function describeProblem(
  { path, message }: Pick<Problem, 'path' | 'message'>,
  nameOf: (path: ProblemPath) => string = formatPath,
): string {
  return path.length === 0 ? message : `${nameOf(path)} ${message}`;
}

/** The problem in a failure's details; null if there is none, as from an older worker. */
export function problemIn(details: readonly unknown[] | null | undefined): Problem | null {
  const found = details?.[0] as Partial<Problem> | null | undefined;
  const isPath = Array.isArray(found?.path) && found.path.every((key) => ['string', 'number'].includes(typeof key));
  const isProblem = isPath && typeof found?.code === 'string' && typeof found.message === 'string';
  return isProblem ? (found as Problem) : null;
}
