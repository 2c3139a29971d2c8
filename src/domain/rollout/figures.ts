import type { AnyEvidence, RolloutSpec } from '../../contract/rollout';
import { measure, type TestValue } from './evidence';
import { describeAdvance, oneKeyFinding, ratesOf } from './findings';
import { onesidedFindings } from './one-key';
import { describeUserAdvance, userRatesOf } from './user-findings';
import { measureUsers } from './user-measures';

/** What displays tell of the evidence, by the rule that it is for. */
export interface Figures {
  readonly advance: TestValue;
  /** `E 5.1 of 6.9, about 254 clean requests to go`. */
  readonly advanceText: string;
  /** The success rates of both arms. */
  readonly rates: string;
  /** Whom the evidence is mostly about, if it is about a single key or user. */
  readonly onesided: readonly string[];
}

export function figuresOf(spec: RolloutSpec, evidence: AnyEvidence, percent: number): Figures {
  if ('rule' in evidence) {
    const { advance } = measureUsers(evidence, spec, percent);
    return {
      advance,
      advanceText: describeUserAdvance(advance, spec, evidence),
      rates: userRatesOf(spec, evidence),
      onesided: onesidedFindings(spec, evidence),
    };
  }
  const { advance } = measure(evidence, spec.gates, percent);
  const oneKey = oneKeyFinding(spec, evidence);
  return {
    advance,
    advanceText: describeAdvance(advance, spec),
    rates: ratesOf(spec, evidence),
    onesided: oneKey === null ? [] : [oneKey],
  };
}
