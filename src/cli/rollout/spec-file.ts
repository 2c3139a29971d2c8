import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { usdAmount } from '../../config/schema';
import { parseWith, problemsOf } from '../../config/schema-issues';
import { describeProblem, formatPath, type ProblemPath } from '../../contract/problem';
import { guardModes, rolloutGuards } from '../../contract/rollout';
import { rolloutPlans, type RolloutPlanName } from '../../domain/rollout/plans';
import { errorMessage } from '../../contract/failures';
import type { RolloutDraft } from '../../operator/new-rollout';
import { parseDuration } from '../options';
import { UsageError } from '../exit-status';

const durationExpectation = 'must be a duration with a unit, like 18h, 30m or 5s';
const duration = z.string({ error: durationExpectation }).transform((text, context) => {
  try {
    return parseDuration(text);
  } catch {
    context.addIssue({ code: 'custom', message: durationExpectation });
    return z.NEVER;
  }
});

const momentExpectation = 'must be an ISO time with its zone, like 2026-11-27T00:00:00Z';
const moment = z.iso.datetime({ offset: true, error: momentExpectation }).transform((text) => Date.parse(text));

const rateExpectation = 'must be a share, like 0.99 or "99%"';
const rate = z
  .union([z.number(), z.string().regex(/^\d+(\.\d+)?%$/, rateExpectation)], { error: rateExpectation })
  .transform((share) => (typeof share === 'number' ? share : percentOf(share)));

/** The fields of a rollout's spec, without units in their names: the values have units. */
const specFileSchema = z.strictObject({
  name: z.string().optional(),
  baselineArm: z.string().optional(),
  canaryArm: z.string().optional(),
  plan: z.enum(Object.keys(rolloutPlans) as [RolloutPlanName, ...RolloutPlanName[]]).optional(),
  steps: z
    .array(
      z.strictObject({
        percent: z.number(),
        nominalEnd: duration,
        minimumBake: duration,
        minimumUsers: z.number().optional(),
      }),
    )
    .optional(),
  interval: duration.optional(),
  warm: duration.optional(),
  gates: z
    .strictObject({
      alpha: rate.optional(),
      beta: rate.optional(),
      minimumSuccessRate: rate.optional(),
      expectedSuccessRate: rate.optional(),
      breachSuccessRate: rate.optional(),
      minimumStepRequests: z.number().optional(),
      maxRequestsPerUser: z.number().optional(),
      freshness: duration.optional(),
      maxLatencyPercent: z.number().nullish(),
      maxCostPercent: z.number().nullish(),
      maxCostUsdPerSuccess: usdAmount.nullish(),
      userWindow: duration.optional(),
      longestCall: duration.optional(),
      guards: z.partialRecord(z.enum(rolloutGuards), z.enum(guardModes)).optional(),
    })
    .optional(),
  freezeWindows: z.array(z.strictObject({ from: moment, to: moment })).optional(),
  takeOver: z.boolean().optional(),
  actor: z.string().optional(),
  languages: z.array(z.string()).optional(),
  holdbackPercent: z.number().optional(),
  rescue: z.boolean().optional(),
  salt: z.string().optional(),
});

/** Reads YAML or JSON. @throws {UsageError} names every wrong field by its path */
export function readSpecFile(file: string): RolloutDraft {
  const fileName = path.basename(file);
  const parsed = parseWith(specFileSchema, readContent(file, fileName));
  if (!parsed.success) {
    const problems = problemsOf(parsed.error.issues, 'the file').map(
      (problem) => `${fileName}: ${describeProblem(problem, (place) => `${formatPath(place)}:`)}`,
    );
    throw new UsageError(problems.join('\n'));
  }
  const { steps, interval, warm, gates = {}, freezeWindows, ...rest } = parsed.data;
  const { freshness, userWindow, longestCall, maxCostUsdPerSuccess, ...otherGates } = gates;
  return withoutUndefined({
    ...rest,
    steps: steps?.map(({ percent, nominalEnd, minimumBake, minimumUsers }) => ({
      percent,
      nominalEndMs: nominalEnd,
      minimumBakeMs: minimumBake,
      ...withoutUndefined({ minimumUsers }),
    })),
    intervalMs: interval,
    warmMs: warm,
    gates: withoutUndefined({
      ...otherGates,
      freshnessMs: freshness,
      userWindowMs: userWindow,
      longestCallMs: longestCall,
      maxCostNanoUsdPerSuccess: maxCostUsdPerSuccess,
    }),
    freezeWindows: freezeWindows?.map(({ from, to }) => ({ fromMs: from, toMs: to })),
  });
}

/** The name that the file has for a field of the finished spec: without the unit. */
export function nameInFile(place: ProblemPath): string {
  return formatPath(place.map((key) => fieldsOfFile.get(key) ?? key));
}

const fieldsOfFile: ReadonlyMap<unknown, string> = new Map([
  ['nominalEndMs', 'nominalEnd'],
  ['minimumBakeMs', 'minimumBake'],
  ['intervalMs', 'interval'],
  ['warmMs', 'warm'],
  ['freshnessMs', 'freshness'],
  ['userWindowMs', 'userWindow'],
  ['longestCallMs', 'longestCall'],
  ['maxCostNanoUsdPerSuccess', 'maxCostUsdPerSuccess'],
]);

function readContent(file: string, fileName: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
  const document = parseDocument(text, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem) throw new UsageError(`${fileName}: ${problem.message}`, { cause: problem });
  try {
    return document.toJS() ?? {};
  } catch (error) {
    // Only this finds unresolved aliases, or too many of them.
    throw new UsageError(`${fileName}: ${errorMessage(error)}`, { cause: error });
  }
}

/** Exact: `99.7%` is 0.997 as written, not 99.7 / 100. */
function percentOf(text: string): number {
  return Number(`${text.slice(0, -1)}e-2`);
}

type Defined<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

/** So that a field that was left out does not override anything. */
export function withoutUndefined<T extends object>(value: T): Partial<Defined<T>> {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as Partial<Defined<T>>;
}
