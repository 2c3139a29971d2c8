import { InvalidArgumentError } from 'commander';
import type { InvalidInputError } from '../client/errors';
import { describeProblem, formatPath, type Problem } from '../contract/problem';
import { UsageError } from './exit-status';

/** Reads a port from an option; 0 means any free one. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new InvalidArgumentError('A port is a whole number from 0 to 65535; 0 picks a free one.');
  }
  return port;
}

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `1h`, `30m`, `1.5s`, `250ms`, `3d` in whole milliseconds. Throws commander's InvalidArgumentError for anything else. */
export function parseDuration(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  const milliseconds = Math.round(Number(digits) * unitMs[unit as keyof typeof unitMs]);
  if (!Number.isSafeInteger(milliseconds)) {
    throw new InvalidArgumentError(`'${text}' is not a duration. Use a number with a unit, such as 1h, 30m, 5s or 2d.`);
  }
  return milliseconds;
}

/** An ISO time with its zone, in milliseconds since 1970. Throws commander's InvalidArgumentError for anything else. */
export function parseMoment(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  throw new InvalidArgumentError(
    `'${text}' is not a time. Use an ISO time with its zone, such as 2026-11-27T09:00:00Z.`,
  );
}

/** Describes a problem by the option instead of the field. */
export function inOptions(problem: Problem, optionOfField: ReadonlyMap<unknown, string>): string {
  return describeProblem(problem, (path) => optionOfField.get(path[0]) ?? formatPath(path));
}

/** Turns a refused input into a usage error that names the options. */
export function usageError(error: InvalidInputError, options: ReadonlyMap<unknown, string>): UsageError {
  const problems = error.problems.map((problem) => inOptions(problem, options));
  return new UsageError(problems.join('; '), { cause: error });
}

/** The options for the fields of a rollout and of its commands. */
export const optionOfField: ReadonlyMap<unknown, string> = new Map([
  ['name', '--name'],
  ['baselineArm', '--from'],
  ['canaryArm', '--to'],
  ['intervalMs', '--interval'],
  ['takeOver', '--take-over'],
  ['actor', '--actor'],
  ['reason', '--reason'],
  ['full', '--full'],
  ['force', '--force'],
  ['fromMs', '--from'],
  ['toMs', '--to'],
]);
