import type {
  RolloutCommand,
  RolloutCommandInput,
  RolloutCommandName,
  RolloutGates,
  RolloutSpec,
} from '../../contract/rollout';
import { idProblem } from '../turn/validate-input';

const hourMs = 60 * 60 * 1000;
const longestMs = 366 * 24 * hourMs;

/** What is wrong with a spec, naming the field and the limit; null when nothing is. Whatever anybody sends may come here. */
export function rolloutSpecProblem(spec: RolloutSpec): string | null {
  if (typeof spec !== 'object' || spec === null) return 'the spec must be an object';
  return (
    idProblem('name', spec.name) ??
    idProblem('baselineArm', spec.baselineArm) ??
    idProblem('canaryArm', spec.canaryArm) ??
    (spec.baselineArm === spec.canaryArm
      ? `canaryArm must be another arm than baselineArm (${spec.baselineArm})`
      : null) ??
    idProblem('actor', spec.actor) ??
    stepsProblem(spec.steps) ??
    durationProblem('intervalMs', spec.intervalMs, 100) ??
    durationProblem('warmMs', spec.warmMs, 0) ??
    gatesProblem(spec.gates) ??
    freezeProblem(spec.freezeWindows) ??
    (typeof spec.takeOver === 'boolean' ? null : 'takeOver must be true or false')
  );
}

function stepsProblem(steps: RolloutSpec['steps']): string | null {
  if (!Array.isArray(steps) || steps.length === 0 || steps.length > 50) return 'steps must be a list of 1 to 50 steps';
  for (const [index, step] of steps.entries()) {
    const field = `steps[${index}]`;
    const before = steps[index - 1];
    if (typeof step !== 'object' || step === null) return `${field} must be an object`;
    const { percent, nominalEndMs, minimumBakeMs } = step;
    if (!Number.isInteger(percent) || percent < 1 || percent > 99) {
      return `${field}.percent must be a whole number from 1 to 99, not ${inWords(percent)}; 100% follows after the last step`;
    }
    if (before && percent <= before.percent) {
      return `${field}.percent must be more than the ${before.percent}% of the step before, not ${percent}`;
    }
    const problem =
      durationProblem(`${field}.nominalEndMs`, nominalEndMs, 1) ??
      durationProblem(`${field}.minimumBakeMs`, minimumBakeMs, 0);
    if (problem) return problem;
    const beganMs = before?.nominalEndMs ?? 0;
    if (nominalEndMs <= beganMs) {
      return `${field}.nominalEndMs must be later than ${beganMs}, when the step begins, not ${nominalEndMs}`;
    }
    if (minimumBakeMs > nominalEndMs - beganMs) {
      return `${field}.minimumBakeMs must be at most ${nominalEndMs - beganMs}, the step's length in the plan, not ${minimumBakeMs}`;
    }
  }
  return null;
}

function gatesProblem(gates: RolloutGates): string | null {
  if (typeof gates !== 'object' || gates === null) return 'gates must be an object';
  const { minimumSuccessRate, expectedSuccessRate, breachSuccessRate } = gates;
  return (
    rateProblem('gates.alpha', gates.alpha) ??
    rateProblem('gates.beta', gates.beta) ??
    rateProblem('gates.minimumSuccessRate', minimumSuccessRate) ??
    rateProblem('gates.expectedSuccessRate', expectedSuccessRate) ??
    rateProblem('gates.breachSuccessRate', breachSuccessRate) ??
    (expectedSuccessRate > minimumSuccessRate
      ? null
      : `gates.expectedSuccessRate must be more than gates.minimumSuccessRate (${minimumSuccessRate}), not ${expectedSuccessRate}`) ??
    (breachSuccessRate < minimumSuccessRate
      ? null
      : `gates.breachSuccessRate must be less than gates.minimumSuccessRate (${minimumSuccessRate}), not ${breachSuccessRate}`) ??
    countProblem('gates.minimumStepRequests', gates.minimumStepRequests) ??
    countProblem('gates.maxRequestsPerUser', gates.maxRequestsPerUser) ??
    durationProblem('gates.freshnessMs', gates.freshnessMs, 100) ??
    guardProblem('gates.maxLatencyPercent', gates.maxLatencyPercent) ??
    guardProblem('gates.maxCostPercent', gates.maxCostPercent) ??
    guardProblem('gates.maxCostNanoUsdPerSuccess', gates.maxCostNanoUsdPerSuccess)
  );
}

function freezeProblem(windows: RolloutSpec['freezeWindows']): string | null {
  if (!Array.isArray(windows) || windows.length > 100) return 'freezeWindows must be a list of up to 100 windows';
  for (const [index, window] of windows.entries()) {
    if (typeof window !== 'object' || window === null) return `freezeWindows[${index}] must be an object`;
    const { fromMs, toMs } = window;
    const isOrdered = Number.isSafeInteger(fromMs) && Number.isSafeInteger(toMs) && fromMs < toMs;
    if (!isOrdered) return `freezeWindows[${index}] must begin before it ends, in milliseconds since 1970`;
  }
  return null;
}

function durationProblem(field: string, value: unknown, minimumMs: number): string | null {
  if (Number.isInteger(value) && (value as number) >= minimumMs && (value as number) <= longestMs) return null;
  return `${field} must be a whole number of milliseconds from ${minimumMs} to ${longestMs}, not ${inWords(value)}`;
}

function rateProblem(field: string, value: unknown): string | null {
  if (typeof value === 'number' && value > 0 && value < 1) return null;
  return `${field} must be a number between 0 and 1, not ${inWords(value)}`;
}

function countProblem(field: string, value: unknown): string | null {
  if (Number.isSafeInteger(value) && (value as number) >= 1) return null;
  return `${field} must be a whole number of at least 1, not ${inWords(value)}`;
}

function guardProblem(field: string, value: unknown): string | null {
  const problem = value === null ? null : countProblem(field, value);
  return problem === null ? null : `${problem}; null for no such guard`;
}

/** A value as part of a message: whatever it is, and no more of it than a line holds. */
function inWords(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** Longer reasons belong into a ticket; the audit keeps this for ever. */
const maxReasonCharacters = 1000;

/** Makes a command of whatever a signal brought: a rollback must work however it was typed. */
export function readCommand(name: RolloutCommandName, input: unknown): RolloutCommand {
  const problem = rolloutCommandProblem(input);
  if (problem === null) {
    // Only what a command has: the rest would stay in the audit for ever.
    const { actor, reason, full, force, seenPercent } = input as RolloutCommandInput & { readonly actor: string };
    const given = Object.entries({ reason, full, force, seenPercent }).filter(([, value]) => value !== undefined);
    return { name, actor, ...Object.fromEntries(given) };
  }
  const { actor, reason } = (input ?? {}) as Readonly<Record<string, unknown>>;
  return { name, actor: shortText(actor) ?? 'somebody', reason: shortText(reason), problem };
}

function shortText(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.slice(0, maxReasonCharacters) : undefined;
}

/** What is wrong with a command, or null. */
export function rolloutCommandProblem(input: unknown): string | null {
  if (typeof input !== 'object' || input === null)
    return 'the command must be an object like {"actor": "ann", "reason": "…"}';
  const { actor, reason, full, force, seenPercent } = input as Record<string, unknown>;
  const isShortText = (value: unknown): boolean => typeof value === 'string' && value.length <= maxReasonCharacters;
  if (!isShortText(actor) || (actor as string).trim() === '')
    return `actor must say who you are, in up to ${maxReasonCharacters} characters`;
  if (reason !== undefined && !isShortText(reason))
    return `reason must be a text of up to ${maxReasonCharacters} characters`;
  for (const [field, value] of Object.entries({ full, force })) {
    if (value !== undefined && typeof value !== 'boolean')
      return `${field} must be true or false, not ${inWords(value)}`;
  }
  if (seenPercent !== undefined && !Number.isInteger(seenPercent)) {
    return `seenPercent must be a whole number, not ${inWords(seenPercent)}`;
  }
  if (force === true && !(typeof reason === 'string' && reason.trim().length > 0))
    return 'reason must say why you force it';
  return null;
}
