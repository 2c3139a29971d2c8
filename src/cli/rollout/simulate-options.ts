import { InvalidArgumentError } from 'commander';
import { type AnswerFlag, answerFlags, unknownLanguage } from '../../contract/user-evidence';
import type { Incident, SimulatedFlag, SimulatedTraffic } from '../../domain/rollout/simulate-traffic';
import { parseDuration } from '../options';

/** What holds for the users of each arm. */
export interface OnBothArms<Value> {
  readonly baseline: Value;
  readonly canary: Value;
}

/** `0.3%` or `0.003`. */
export function parseShare(text: string): number {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim()) ?? [];
  const share = Number(digits) / (percent === '%' ? 100 : 1);
  if (share >= 0 && share <= 1) return share;
  throw new InvalidArgumentError(`'${text}' is not a share. Use a number from 0 to 1 or a percentage, such as 0.3%.`);
}

/** `1%` for both arms, or `1%:2%`: the baseline's and the canary's. */
export function parseShares(text: string): OnBothArms<number> {
  const [baseline = '', canary = baseline, ...more] = text.split(':');
  if (more.length === 0) return { baseline: parseShare(baseline), canary: parseShare(canary) };
  throw new InvalidArgumentError(`'${text}' has more than two shares. Use baseline:canary, such as 1%:2%.`);
}

export function parseCount(text: string, maximum: number): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= maximum) return count;
  throw new InvalidArgumentError(`'${text}' is not a whole number from 1 to ${maximum}.`);
}

/** The largest exponent that gives sensible costs, and the largest multiple that says anything new. */
const maxSpread = 3;
const maxFactor = 100;

export function parseFactor(text: string): number {
  const factor = Number(text);
  if (text.trim() !== '' && factor > 0 && factor <= maxFactor) return factor;
  throw new InvalidArgumentError(`'${text}' is not a factor. Use a number above 0, at most ${maxFactor}, such as 1.1.`);
}

/** A list of `8` or `1:60%,20:40%`. */
export function parseRequestsPerUser(text: string): SimulatedTraffic['requestsPerUser'] {
  if (!text.includes(':')) return [{ value: parseCount(text, 1000), share: 1 }];
  return text.split(',').map((part) => {
    const [value = '', share = ''] = part.split(':');
    return { value: parseCount(value, 1000), share: parseShare(share) };
  });
}

/** `1:0.7`. */
export function parseSpread(text: string): SimulatedTraffic['costSpread'] {
  const [users, requests, ...more] = text.split(':').map(Number);
  const isSpread = (value: number | undefined): value is number =>
    value !== undefined && value >= 0 && value <= maxSpread;
  if (isSpread(users) && isSpread(requests) && more.length === 0) return { users, requests };
  throw new InvalidArgumentError(`'${text}' is not a spread. Use two numbers from 0 to ${maxSpread}, such as 1:0.7.`);
}

/** `30h:1h:50%`: begins 30 h after the start, lasts 1 h, and half of all requests fail. */
export function parseIncident(text: string): Incident {
  const [from = '', length = '', failing = '', ...more] = text.split(':');
  if (more.length > 0) throw new InvalidArgumentError(`'${text}' is not an incident. Use begin:length:share.`);
  const fromMs = parseDuration(from);
  return { fromMs, toMs: fromMs + parseDuration(length), failing: parseShare(failing) };
}

/** `zh=30%`. */
export function parseLanguage(text: string): SimulatedTraffic['languages'][number] {
  const [language = '', share = '', ...more] = text.split('=');
  if (language !== '' && more.length === 0) return { language, share: parseShare(share) };
  throw new InvalidArgumentError(`'${text}' is not a language with its share of users. Use one such as zh=30%.`);
}

/** The rest of the users speak a language that is not told. */
export function allLanguages(named: SimulatedTraffic['languages']): SimulatedTraffic['languages'] {
  const rest = 1 - named.reduce((sum, { share }) => sum + share, 0);
  return rest < 1e-9 ? named : [...named, { language: unknownLanguage, share: rest }];
}

/** `empty=1%:2%`, or in one language `wrong-language/zh=1%:50%`. */
export function parseFlag(text: string): OnBothArms<SimulatedFlag> {
  const [name = '', shares = '', ...more] = text.split('=');
  const [flag = '', language] = name.split('/');
  if (more.length > 0 || !answerFlags.some((known) => known === flag)) {
    throw new InvalidArgumentError(
      `'${text}' is not a flag with its share of answers. Use one of ${answerFlags.join(', ')}, such as empty=1%:2%.`,
    );
  }
  const { baseline, canary } = parseShares(shares);
  const of = (share: number): SimulatedFlag => ({ flag: flag as AnswerFlag, share, language });
  return { baseline: of(baseline), canary: of(canary) };
}
