import { guardModes, type RolloutGates, rolloutGuards, type RolloutSpec } from '../../contract/rollout';
import { type Problem, type ProblemPath } from '../../contract/problem';
import { knownLanguages } from '../turn/language-of';
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
    (typeof spec.takeOver === 'boolean' ? null : notBoolean(['takeOver'], spec.takeOver)) ??
    ruleFieldsProblem(spec)
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
  const { percent, nominalEndMs, minimumBakeMs, minimumUsers } = step;
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
  const problem =
    durationProblem(endPath, nominalEndMs, 1) ??
    durationProblem(bakePath, minimumBakeMs, 0) ??
    (minimumUsers === undefined ? null : countProblem([...path, 'minimumUsers'], minimumUsers));
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
    costGuardProblem(['gates', 'maxCostNanoUsdPerSuccess'], gates.maxCostNanoUsdPerSuccess) ??
    exposureProblem(gates) ??
    guardModesProblem(gates.guards)
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

export function notObject(path: ProblemPath, message = 'must be an object'): Problem {
  return { path, code: 'wrong-type', message };
}

export function notBoolean(path: ProblemPath, value: unknown): Problem {
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
export function exactDuration(ms: number): string {
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

const maxHoldbackPercent = 5;
const maxLanguages = 20;

/** The fields that came with rule 2. */
function ruleFieldsProblem(spec: RolloutSpec): Problem | null {
  const { rule, languages, holdbackPercent, rescue, salt } = spec;
  if (rule !== undefined && rule !== 2) {
    return {
      path: ['rule'],
      code: 'out-of-range',
      message: `must be 2, or absent for rule 1, not ${valueInWords(rule)}`,
    };
  }
  if (rescue !== undefined && typeof rescue !== 'boolean') return notBoolean(['rescue'], rescue);
  return (
    (salt === undefined ? null : idProblem(['salt'], salt)) ??
    (languages === undefined ? null : languagesProblem(languages)) ??
    (holdbackPercent === undefined ? null : holdbackProblem(spec, holdbackPercent)) ??
    (rule === 2 ? gatesByUsersProblem(spec.gates) : needsRule2(spec))
  );
}

function languagesProblem(languages: unknown): Problem | null {
  const path = ['languages'];
  const message = `must be a list of up to ${maxLanguages} languages`;
  if (!Array.isArray(languages)) return { path, code: 'wrong-type', message };
  if (languages.length > maxLanguages) return { path, code: 'too-many', message, limit: maxLanguages };
  for (const [index, language] of (languages as unknown[]).entries()) {
    if (!knownLanguages.has(language as string)) {
      // A market that no turn is counted in would not be protected.
      const known = [...knownLanguages].toSorted().join(', ');
      const wrong = `must be one of the languages that turns are counted in (${known}), not ${valueInWords(language)}`;
      return { path: [...path, index], code: 'unknown-reference', message: wrong };
    }
    if (languages.indexOf(language) < index) {
      return { path: [...path, index], code: 'contradiction', message: `must not repeat ${valueInWords(language)}` };
    }
  }
  return null;
}

function holdbackProblem({ steps }: RolloutSpec, holdback: unknown): Problem | null {
  const path = ['holdbackPercent'];
  if (!Number.isInteger(holdback) || (holdback as number) < 0 || (holdback as number) > maxHoldbackPercent) {
    const message = `must be a whole number from 0 to ${maxHoldbackPercent}, not ${valueInWords(holdback)}`;
    return { path, code: 'out-of-range', message, limit: maxHoldbackPercent };
  }
  const last = steps.at(-1)?.percent ?? 0;
  if (100 - (holdback as number) > last) return null;
  const message = `must be less than the ${100 - last}% that the last step leaves on the baseline, not ${holdback as number}`;
  return { path, code: 'contradiction', message, limit: 100 - last };
}

/** The evidence has a row for each number of calls and of failures among them; more calls of a user add little to it. */
const maxCallsOfUser = 100;

function gatesByUsersProblem({ maxRequestsPerUser, maxLatencyPercent }: RolloutGates): Problem | null {
  if (maxRequestsPerUser > maxCallsOfUser) {
    const message = `must be at most ${maxCallsOfUser}, not ${maxRequestsPerUser}`;
    return { path: ['gates', 'maxRequestsPerUser'], code: 'out-of-range', message, limit: maxCallsOfUser };
  }
  if (maxLatencyPercent === null || maxLatencyPercent >= 100) return null;
  const message = `must be at least 100, not ${maxLatencyPercent}: below that, identical arms would count as different${withoutGuard}`;
  return { path: ['gates', 'maxLatencyPercent'], code: 'out-of-range', message, limit: 100 };
}

/** A field that the rule does not read must not seem to protect anybody. */
function needsRule2({ languages, holdbackPercent, gates }: RolloutSpec): Problem | null {
  const ignored: readonly (readonly [ProblemPath, boolean])[] = [
    [['languages'], languages !== undefined && languages.length > 0],
    [['holdbackPercent'], holdbackPercent !== undefined && holdbackPercent > 0],
    [['gates', 'guards'], gates.guards !== undefined],
  ];
  const path = ignored.find(([, isGiven]) => isGiven)?.[0];
  return path === undefined ? null : { path, code: 'contradiction', message: 'needs rule 2, which counts users' };
}

function exposureProblem({ userWindowMs, longestCallMs }: RolloutGates): Problem | null {
  return (
    (userWindowMs === undefined ? null : durationProblem(['gates', 'userWindowMs'], userWindowMs, 100)) ??
    (longestCallMs === undefined ? null : durationProblem(['gates', 'longestCallMs'], longestCallMs, 100))
  );
}

function guardModesProblem(guards: RolloutGates['guards']): Problem | null {
  const path = ['gates', 'guards'];
  if (guards === undefined) return null;
  if (typeof guards !== 'object' || guards === null) return notObject(path);
  for (const [guard, mode] of Object.entries(guards)) {
    if (!(rolloutGuards as readonly string[]).includes(guard)) {
      const message = `is no guard; there are ${rolloutGuards.join(', ')}`;
      return { path: [...path, guard], code: 'unknown-field', message };
    }
    if (!(guardModes as readonly unknown[]).includes(mode)) {
      const message = `must be ${guardModes.join(' or ')}, not ${valueInWords(mode)}`;
      return { path: [...path, guard], code: 'out-of-range', message };
    }
  }
  return null;
}
