import type { ArmFigures, ArmPage, ArmsPage, PageShare } from '../../contract/page';
import type { ArmTraffic } from '../../contract/page-ledger';
import type { RolloutSpec } from '../../contract/rollout';
import type { OfArms, ReportedUsers, Share, UserReport } from '../../domain/rollout/user-report';
import { failuresIn } from './targets-page';

const maxLanguages = 50;

/** What is known of an arm's calls, whoever made them. */
export type ArmCalls = Omit<ArmPage, keyof ArmFigures | 'name'>;

const noCalls: ArmCalls = { turns: 0, failures: [], latencyP95Ms: null, tokensPerAnswer: null, hours: [] };

export function callsOf({ arm, turns, answers, calls, latencyP95Ms, used, hours }: ArmTraffic): ArmCalls {
  const tokens = used.filter((one) => one.arm === arm).reduce((sum, { completionTokens }) => sum + completionTokens, 0);
  const tokensPerAnswer = answers === 0 ? null : tokens / answers;
  return { turns, failures: failuresIn(calls), latencyP95Ms, tokensPerAnswer, hours };
}

/** @param report by users, over all bakes; null under rule 1, which counts requests */
export function armsOf(
  { baselineArm, canaryArm }: RolloutSpec,
  report: UserReport | null,
  calls: ReadonlyMap<string, ArmCalls>,
): ArmsPage {
  const armPage = (name: string, arm: keyof OfArms<unknown>): ArmPage => ({
    name,
    ...(report === null ? noFigures : figuresOfArm(report, arm)),
    ...(calls.get(name) ?? noCalls),
  });
  return {
    baseline: armPage(baselineArm, 'baseline'),
    canary: armPage(canaryArm, 'canary'),
    languages: (report?.languages ?? []).slice(0, maxLanguages).map((one) => ({
      language: one.language,
      baseline: figuresOfArm(one, 'baseline'),
      canary: figuresOfArm(one, 'canary'),
    })),
    flags: (report?.flags ?? []).map(({ flag }) => flag),
  };
}

const noFigures: ArmFigures = {
  users: 0,
  success: null,
  troubled: null,
  declined: null,
  satisfaction: null,
  flags: {},
  costPerSuccessNanoUsd: null,
};

function figuresOfArm(report: ReportedUsers, arm: keyof OfArms<unknown>): ArmFigures {
  const flags = report.flags.flatMap(({ flag, share }) => {
    const shown = pageShare(share[arm]);
    return shown === null ? [] : [[flag, shown] as const];
  });
  return {
    users: report.users[arm],
    success: pageShare(report.success[arm]),
    troubled: pageShare(report.troubled[arm]),
    declined: pageShare(report.declined[arm]),
    satisfaction: pageShare(report.satisfaction[arm]),
    flags: Object.fromEntries(flags),
    costPerSuccessNanoUsd: report.costPerSuccessNanoUsd[arm],
  };
}

function pageShare(share: Share | null): PageShare | null {
  return share === null ? null : { rate: share.rate, low: share.interval.low, high: share.interval.high, of: share.of };
}
