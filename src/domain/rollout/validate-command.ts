import type { RolloutCommand, RolloutCommandInput, RolloutCommandName } from '../../contract/rollout';
import { describeProblem, type Problem, type ProblemPath } from '../../contract/problem';
import { valueInWords } from '../turn/validate-input';
import { exactDuration, notBoolean, notObject } from './validate';

/** Longer reasons belong in a ticket; the audit trail keeps them forever. */
const maxReasonCharacters = 1000;

/** Turns whatever a signal carried into a command: a rollback must work even if its input is malformed. */
export function readCommand(name: RolloutCommandName, input: unknown): RolloutCommand {
  const problem = rolloutCommandProblem(input, name);
  if (problem === null) {
    // Only the fields of a command: anything else would stay in the audit trail forever.
    const { actor, ...fields } = input as RolloutCommandInput & { readonly actor: string };
    const { reason, full, force, seenPercent, fromMs, toMs } = fields;
    const time = name === 'exclude' ? { fromMs, toMs } : {};
    const given = Object.entries({ reason, full, force, seenPercent, ...time }).filter(
      ([, value]) => value !== undefined,
    );
    return { name, actor, ...Object.fromEntries(given) };
  }
  const { actor, reason } = (input ?? {}) as Readonly<Record<string, unknown>>;
  const somebody = shortText(actor) ?? 'somebody';
  return { name, actor: somebody, reason: shortText(reason), problem: describeProblem(problem) };
}

function shortText(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, maxReasonCharacters) : undefined;
}

/** What is wrong with a command, or null. */
export function rolloutCommandProblem(input: unknown, name?: RolloutCommandName): Problem | null {
  if (typeof input !== 'object' || input === null) {
    return notObject([], 'the command must be an object like {"actor": "ann", "reason": "…"}');
  }
  const { actor, reason, full, force, seenPercent } = input as Record<string, unknown>;
  if (typeof actor !== 'string' || actor.trim() === '' || actor.length > maxReasonCharacters) {
    return textProblem(['actor'], actor, 'must say who you are, in up to');
  }
  if (reason !== undefined && !(typeof reason === 'string' && reason.length <= maxReasonCharacters)) {
    return textProblem(['reason'], reason, 'must be a text of up to');
  }
  for (const [field, value] of Object.entries({ full, force })) {
    if (value !== undefined && typeof value !== 'boolean') return notBoolean([field], value);
  }
  if (seenPercent !== undefined && !Number.isInteger(seenPercent)) {
    const message = `must be a whole number, not ${valueInWords(seenPercent)}`;
    return { path: ['seenPercent'], code: 'wrong-type', message };
  }
  if (force === true && !(typeof reason === 'string' && reason.trim().length > 0)) {
    return { path: ['reason'], code: 'missing', message: 'must say why you force it' };
  }
  return name === 'exclude' ? excludedTimeProblem(input) : null;
}

/** Longer than any incident that is over before somebody excludes it. */
const longestExcludedMs = 7 * 24 * 60 * 60 * 1000;

function excludedTimeProblem({ reason, fromMs, toMs }: { reason?: unknown; fromMs?: unknown; toMs?: unknown }) {
  for (const [field, value] of Object.entries({ fromMs, toMs })) {
    if (value === undefined) return problemOf([field], 'missing', 'is needed to exclude a period');
    if (!Number.isSafeInteger(value)) {
      const message = `must be a whole number of milliseconds since 1970, not ${valueInWords(value)}`;
      return problemOf([field], 'wrong-type', message);
    }
  }
  const lengthMs = (toMs as number) - (fromMs as number);
  if (lengthMs <= 0) return problemOf(['toMs'], 'contradiction', 'must be after the start of the period');
  if (lengthMs > longestExcludedMs) {
    const message = `must be at most ${exactDuration(longestExcludedMs)} after the start, not ${exactDuration(lengthMs)}`;
    return { path: ['toMs'], code: 'out-of-range', message, limit: longestExcludedMs } as const;
  }
  if (typeof reason === 'string' && reason.trim() !== '') return null;
  return problemOf(['reason'], 'missing', 'must say why this period does not count');
}

function problemOf(path: ProblemPath, code: Problem['code'], message: string): Problem {
  return { path, code, message };
}

function textProblem(path: ProblemPath, value: unknown, must: string): Problem {
  const message = `${must} ${maxReasonCharacters} characters`;
  if (typeof value !== 'string') return { path, code: 'wrong-type', message };
  if (value.length <= maxReasonCharacters) return { path, code: 'too-short', message };
  return { path, code: 'too-long', message, limit: maxReasonCharacters };
}
