import type { FeedbackCount } from '../contract/rollout-ledger';
import type { FeedbackSignal } from '../contract/user-evidence';
import { successInterval } from '../domain/rollout/migration-report';

/** What users say about an arm's turns: the last signal of each turn. */
interface Satisfaction extends Readonly<Record<FeedbackSignal, number>> {
  /** up / (up + down), 0 to 1; null without either. */
  readonly rate: number | null;
  /** Wilson's 95 % interval of the rate. */
  readonly interval: { readonly low: number; readonly high: number } | null;
}

interface ArmsSatisfaction {
  readonly baseline: Satisfaction;
  readonly canary: Satisfaction;
}

export interface SatisfactionReport extends ArmsSatisfaction {
  /** By language label, the language with the most signals first. */
  readonly languages: readonly (ArmsSatisfaction & { readonly language: string })[];
}

/** Satisfaction with both arms of a rollout, in all and by language. */
export function satisfactionReport(
  counts: readonly FeedbackCount[],
  { baselineArm, canaryArm }: { readonly baselineArm: string; readonly canaryArm: string },
): SatisfactionReport {
  const ofArms = (some: readonly FeedbackCount[]): ArmsSatisfaction => ({
    baseline: satisfactionOf(some.filter(({ arm }) => arm === baselineArm)),
    canary: satisfactionOf(some.filter(({ arm }) => arm === canaryArm)),
  });
  const of = (language: string) => counts.filter((count) => count.language === language);
  const languages = [...new Set(counts.map(({ language }) => language))];
  const byUse = languages.toSorted((one, other) => sum(of(other)) - sum(of(one)));
  return { ...ofArms(counts), languages: byUse.map((language) => ({ language, ...ofArms(of(language)) })) };
}

function satisfactionOf(counts: readonly FeedbackCount[]): Satisfaction {
  const of = (signal: FeedbackSignal) => sum(counts.filter((count) => count.signal === signal));
  const [up, down] = [of('up'), of('down')];
  const rated = up + down;
  return {
    up,
    down,
    handoff: of('handoff'),
    resolved: of('resolved'),
    rate: rated === 0 ? null : up / rated,
    interval: successInterval(up, rated),
  };
}

function sum(counts: readonly FeedbackCount[]): number {
  return counts.reduce((total, { turns }) => total + turns, 0);
}
