import type {
  RolloutCommand,
  RolloutCommandInput,
  RolloutCommandName,
  RolloutGates,
  RolloutSpec,
} from '../../contract/rollout';
import { describeProblem, type Problem, type ProblemPath } from '../../contract/problem';
import { idProblem, valueInWords } from '../turn/validate-input';
import { formatDuration } from './clock';

const hourMs = 60 * 60 * 1000;
const longestMs = 366 * 24 * hourMs;

/** What is wrong with a spec, or null. The input is untrusted and can be anything. */
export function rolloutSpecProblem(spec: RolloutSpec): Problem | null {
  if (typeof spec !== 'object' || spec === null) return notObject([], 'the spec must be an object');
  return (
    idProblem(['name'], spec.name) ??
    idProblem(['baselineArm'], spec.baselineArm) ??
    idProblem(['canaryArm'], spec.canaryArm) ??
    sameArmProblem(spec) ??
    idProblem(['actor'], spec.actor) ??
    stepsProblem(spec.steps) ??
    durationProblem(['intervalMs'], spec.intervalMs, 100) ??
    durationProblem(['warmMs'], spec.warmMs, 0) ??
    gatesProblem(spec.gates) ??
    freezeProblem(spec.freezeWindows) ??
    (typeof spec.takeOver === 'boolean' ? null : notBoolean(['takeOver'], spec.takeOver))
  );
}

function sameArmProblem({ baselineArm, canaryArm }: RolloutSpec): Problem | null {
  if (baselineArm !== canaryArm) return null;
  const message = `must be a different arm from baselineArm (${baselineArm})`;
  return { path: ['canaryArm'], code: 'contradiction', message };
}

function stepsProblem(steps: RolloutSpec['steps']): Problem | null {
  const path = ['steps'];
  if (!Array.isArray(steps)) return { path, code: 'wrong-type', message: 'must be a list of 1 to 50 steps' };
  if (steps.length === 0) return { path, code: 'too-few', message: 'must be a list of 1 to 50 steps', limit: 1 };
  if (steps.length > 50) return { path, code: 'too-many', message: 'must be a list of 1 to 50 steps', limit: 50 };
  for (const [index, step] of steps.entries()) {
    const problem = stepProblem([...path, index], step, steps[index - 1]);
    if (problem !== null) return problem;
  }
  return null;
}

function stepProblem(
  path: ProblemPath,
  step: RolloutSpec['steps'][number],
  before: RolloutSpec['steps'][number] | undefined,
): Problem | null {
  if (typeof step !== 'object' || step === null) return notObject(path);
  const { percent, nominalEndMs, minimumBakeMs } = step;
  const percentPath = [...path, 'percent'];
  const endPath = [...path, 'nominalEndMs'];
  const bakePath = [...path, 'minimumBakeMs'];
  if (!Number.isInteger(percent) || percent < 1 || percent > 99) {
    const message = `must be a whole number from 1 to 99, not ${valueInWords(percent)}; 100% follows after the last step`;
    return { path: percentPath, code: 'out-of-range', message };
  }
  if (before && percent <= before.percent) {
    const message = `must be more than the ${before.percent}% of the previous step, not ${percent}`;
    return { path: percentPath, code: 'contradiction', message, limit: before.percent };
  }
  const problem = durationProblem(endPath, nominalEndMs, 1) ?? durationProblem(bakePath, minimumBakeMs, 0);
  if (problem !== null) return problem;
  const beganMs = before?.nominalEndMs ?? 0;
  if (nominalEndMs <= beganMs) {
    const message = `must be later than ${exactDuration(beganMs)}, when the step begins, not ${exactDuration(nominalEndMs)}`;
    return { path: endPath, code: 'contradiction', message, limit: beganMs };
  }
  const lengthMs = nominalEndMs - beganMs;
  if (minimumBakeMs <= lengthMs) return null;
  const message = `must be at most ${exactDuration(lengthMs)}, the step's length in the plan, not ${exactDuration(minimumBakeMs)}`;
  return { path: bakePath, code: 'contradiction', message, limit: lengthMs };
}

function gatesProblem(gates: RolloutGates): Problem | null {
  if (typeof gates !== 'object' || gates === null) return notObject(['gates']);
  const { minimumSuccessRate, expectedSuccessRate, breachSuccessRate } = gates;
  return (
    rateProblem(['gates', 'alpha'], gates.alpha) ??
    rateProblem(['gates', 'beta'], gates.beta) ??
    rateProblem(['gates', 'minimumSuccessRate'], minimumSuccessRate) ??
    rateProblem(['gates', 'expectedSuccessRate'], expectedSuccessRate) ??
    rateProblem(['gates', 'breachSuccessRate'], breachSuccessRate) ??
    (expectedSuccessRate > minimumSuccessRate
      ? null
      : besideMinimum(['gates', 'expectedSuccessRate'], 'more', minimumSuccessRate, expectedSuccessRate)) ??
    (breachSuccessRate < minimumSuccessRate
      ? null
      : besideMinimum(['gates', 'breachSuccessRate'], 'less', minimumSuccessRate, breachSuccessRate)) ??
    countProblem(['gates', 'minimumStepRequests'], gates.minimumStepRequests) ??
    countProblem(['gates', 'maxRequestsPerUser'], gates.maxRequestsPerUser) ??
    durationProblem(['gates', 'freshnessMs'], gates.freshnessMs, 100) ??
    guardProblem(['gates', 'maxLatencyPercent'], gates.maxLatencyPercent) ??
    guardProblem(['gates', 'maxCostPercent'], gates.maxCostPercent) ??
    costGuardProblem(['gates', 'maxCostNanoUsdPerSuccess'], gates.maxCostNanoUsdPerSuccess)
  );
}

function besideMinimum(path: ProblemPath, which: 'more' | 'less', minimum: number, rate: number): Problem {
  const message = `must be ${which} than gates.minimumSuccessRate (${minimum}), not ${rate}`;
  return { path, code: 'contradiction', message, limit: minimum };
}

function freezeProblem(windows: RolloutSpec['freezeWindows']): Problem | null {
  const path = ['freezeWindows'];
  const message = 'must be a list of up to 100 windows';
  if (!Array.isArray(windows)) return { path, code: 'wrong-type', message };
  if (windows.length > 100) return { path, code: 'too-many', message, limit: 100 };
  for (const [index, window] of windows.entries()) {
    const windowPath = [...path, index];
    if (typeof window !== 'object' || window === null) return notObject(windowPath);
    const { fromMs, toMs } = window;
    for (const [field, value] of Object.entries({ fromMs, toMs })) {
      if (Number.isSafeInteger(value)) continue;
      const wrong = `must be a whole number of milliseconds since 1970, not ${valueInWords(value)}`;
      return { path: [...windowPath, field], code: 'wrong-type', message: wrong };
    }
    if (fromMs >= toMs) return { path: windowPath, code: 'contradiction', message: 'must begin before it ends' };
  }
  return null;
}

function notObject(path: ProblemPath, message = 'must be an object'): Problem {
  return { path, code: 'wrong-type', message };
}

function notBoolean(path: ProblemPath, value: unknown): Problem {
  return { path, code: 'wrong-type', message: `must be true or false, not ${valueInWords(value)}` };
}

/** Limits come with units, because people write durations like `1ms` in files and options. */
function durationProblem(path: ProblemPath, value: unknown, minimumMs: number): Problem | null {
  const range = `from ${exactDuration(minimumMs)} to ${exactDuration(longestMs)}`;
  if (!Number.isInteger(value)) {
    const message = `must be a whole number of milliseconds ${range}, not ${valueInWords(value)}`;
    return { path, code: 'wrong-type', message };
  }
  const ms = value as number;
  if (ms >= minimumMs && ms <= longestMs) return null;
  const message = `must be a duration ${range}, not ${exactDuration(ms)}`;
  return { path, code: 'out-of-range', message, limit: ms < minimumMs ? minimumMs : longestMs };
}

/** Never rounded: two different durations must not look the same. */
function exactDuration(ms: number): string {
  const unitMs = ms < hourMs ? 1000 : 60_000;
  return ms >= 0 && (ms < 1000 || ms % unitMs === 0) ? formatDuration(ms) : `${ms} ms`;
}

function rateProblem(path: ProblemPath, value: unknown): Problem | null {
  if (typeof value === 'number' && value > 0 && value < 1) return null;
  return { path, code: 'out-of-range', message: `must be a number between 0 and 1, not ${valueInWords(value)}` };
}

function countProblem(path: ProblemPath, value: unknown, unless = ''): Problem | null {
  if (Number.isSafeInteger(value) && (value as number) >= 1) return null;
  const message = `must be a whole number of at least 1, not ${valueInWords(value)}${unless}`;
  return { path, code: 'out-of-range', message, limit: 1 };
}

const withoutGuard = '; null turns this guard off';

function guardProblem(path: ProblemPath, value: unknown): Problem | null {
  return value === null ? null : countProblem(path, value, withoutGuard);
}

/** Files have it in dollars, where "a whole number of at least 1" would be wrong. */
function costGuardProblem(path: ProblemPath, value: unknown): Problem | null {
  if (typeof value !== 'number' || value > 0) return guardProblem(path, value);
  const message = `must be more than 0, not ${valueInWords(value)}${withoutGuard}`;
  return { path, code: 'out-of-range', message, limit: 0 };
}

/** Longer reasons belong in a ticket; the audit trail keeps them forever. */
const maxReasonCharacters = 1000;

/** Turns whatever a signal carried into a command: a rollback must work even if its input is malformed. */
export function readCommand(name: RolloutCommandName, input: unknown): RolloutCommand {
  const problem = rolloutCommandProblem(input);
  if (problem === null) {
    // Only the fields of a command: anything else would stay in the audit trail forever.
    const { actor, reason, full, force, seenPercent } = input as RolloutCommandInput & { readonly actor: string };
    const given = Object.entries({ reason, full, force, seenPercent }).filter(([, value]) => value !== undefined);
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
export function rolloutCommandProblem(input: unknown): Problem | null {
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
  return null;
}

function textProblem(path: ProblemPath, value: unknown, must: string): Problem {
  const message = `${must} ${maxReasonCharacters} characters`;
  if (typeof value !== 'string') return { path, code: 'wrong-type', message };
  if (value.length <= maxReasonCharacters) return { path, code: 'too-short', message };
  return { path, code: 'too-long', message, limit: maxReasonCharacters };
}
