import { formatPath, type Problem, type ProblemPath } from '../../contract/problem';
import type { RecordedRollout, RolloutSpec, TrafficSplit } from '../../contract/rollout';
import { formatDuration, frozenUntilMs } from './clock';

export interface Beginning {
  readonly spec: RolloutSpec;
  /** When it would begin, in milliseconds since 1970. */
  readonly atMs: number;
  /** An earlier rollout had this name. */
  readonly nameIsTaken: boolean;
  readonly split: TrafficSplit | null;
  /** The arm that gets all traffic before the first rollout. */
  readonly defaultArm: string;
}

/** Why a rollout may not begin now; null when it may. `describeRefusal` says what to do about it, too. */
export function refusalToBegin({ spec, atMs, nameIsTaken, split, defaultArm }: Beginning): Problem | null {
  const frozenUntil = frozenUntilMs(spec, atMs);
  const { name, baselineArm, canaryArm, takeOver } = spec;
  if (nameIsTaken) {
    const message = `is the name of an earlier rollout, "${name}", whose audit trail is kept. Choose another name, like ${name}-2`;
    return { path: ['name'], code: 'already-used', message };
  }
  // Not at 0% until then: an operator who starts a rollout watches its first hour, which would come at another time.
  if (frozenUntil !== null) {
    const message = `keep every step from beginning for ${formatDuration(frozenUntil - atMs)} more, the first one too. Start it then, or leave that window out`;
    return { path: ['freezeWindows'], code: 'frozen', message, limit: frozenUntil };
  }
  if (takeOver) return null;
  if (split?.active === true) {
    const message =
      `rollout "${split.rollout}" is still active, with ${split.percent} % of users on ${split.canaryArm}. ` +
      'End it first (roll it back, or promote it in full and wait until it has succeeded)';
    return { path: ['takeOver'], code: 'rollout-active', message };
  }
  const now = armOfTraffic(split, defaultArm);
  if (now === baselineArm) return null;
  const cause = split === null ? 'the default arm' : `where rollout "${split.rollout}" left it`;
  const swapped = now === canaryArm ? ' Traffic is already where this rollout would take it.' : '';
  const message = `is ${baselineArm}, but all traffic now goes to ${now} (${cause}), so all users would switch at once.${swapped} Start from ${now}`;
  return { path: ['baselineArm'], code: 'traffic-elsewhere', message };
}

/** As an activity reports it; `field` and `problem` are for workflows of an earlier version. */
export function refusedRollout(refusal: Problem): RecordedRollout {
  return { kind: 'refused', field: formatPath(refusal.path), problem: refusalSentence(refusal), refusal };
}

/**
 * `baselineArm: is legacy, but all traffic now goes to holysheep …`. `nameOf` and `takeOver` put fields, and the way to
 * take over, in the reader's words.
 */
export function describeRefusal(
  refusal: Problem,
  nameOf: (path: ProblemPath) => string = formatPath,
  takeOver?: string,
): string {
  return `${nameOf(refusal.path)}: ${refusalSentence(refusal, takeOver)}`;
}

function refusalSentence({ code, message }: Problem, takeOver = 'set takeOver'): string {
  if (code === 'rollout-active') return `${message}, or ${takeOver} if its workflow is gone.`;
  if (code === 'traffic-elsewhere') return `${message}, or ${takeOver} to move all users at once.`;
  return `${message}.`;
}

/** The arm that gets all traffic while no rollout is active. */
function armOfTraffic(split: TrafficSplit | null, defaultArm: string): string {
  if (split === null) return defaultArm;
  return split.percent >= 100 ? split.canaryArm : split.baselineArm;
}
