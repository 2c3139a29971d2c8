import type { PageShare } from '../../contract/page';
import { Missing } from '../elements';
import { formatCount, formatInterval, formatShare } from '../format';
import { pathOf, type Point, type Range, rangeOf, type Scale, scaleOf } from './scales';

/** Small pictures beside a number that is written out, and so hidden from screen readers. */

/** A value of what is needed, whose threshold is the line at four fifths. */
export function Meter({
  value,
  needed,
  look,
}: {
  readonly value: number;
  readonly needed: number;
  readonly look: string;
}) {
  const share = needed > 0 ? value / needed : 0;
  return (
    <svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" width="100" height="8" />
      <rect class={`fill ${look}`} width={Math.min(100, Math.max(0, share * 80))} height="8" />
      <line class="threshold" x1="80" x2="80" y1="0" y2="8" />
    </svg>
  );
}

/** Parts of a whole, one after the other; shares from 0 to 1. */
export function Bar({ parts }: { readonly parts: readonly { readonly share: number; readonly look: string }[] }) {
  let start = 0;
  return (
    <svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" width="100" height="8" />
      {parts.map(({ share, look }) => {
        const x = start;
        const width = Math.min(100 - x, Math.max(0, share * 100));
        start += width;
        return <rect key={look} class={`fill ${look}`} x={x} width={width} height="8" />;
      })}
    </svg>
  );
}

/** A course in the height of a line of text. */
export function Sparkline({
  points,
  threshold,
}: {
  readonly points: readonly Point[];
  readonly threshold: number | null;
}) {
  if (points.length < 2) return null;
  const range = rangeOf(
    points.flatMap(({ value }) => value ?? []),
    threshold,
  );
  const x = scaleOf(points[0]?.atMs ?? 0, points.at(-1)?.atMs ?? 1, 2, 98);
  const y = scaleOf(range.low, range.high, 26, 2);
  return (
    <svg class="sparkline" viewBox="0 0 100 28" preserveAspectRatio="none" aria-hidden="true">
      {threshold !== null && <line class="threshold" x1="0" x2="100" y1={y(threshold)} y2={y(threshold)} />}
      <path class="line canary" d={pathOf(points, x, y, Infinity)} />
    </svg>
  );
}

/** A rate with its interval and what it is of, in words. */
export function Share({ share, unit }: { readonly share: PageShare | null; readonly unit: string }) {
  if (share === null) return <Missing />;
  return (
    <>
      <b>{formatShare(share.rate)}</b>
      <small>
        <span class="unbroken">{formatInterval(share)}</span>{' '}
        <span class="unbroken">
          of {formatCount(share.of)} {unit}
        </span>
      </small>
    </>
  );
}

export interface SharesOfArms {
  readonly baseline: PageShare | null;
  readonly canary: PageShare | null;
}

/** Just wide enough for all intervals; null if there are none. */
export function rangeOfShares(arms: readonly SharesOfArms[]): Range | null {
  const known = arms.flatMap(({ baseline, canary }) => [baseline, canary]).filter((share) => share !== null);
  if (known.length === 0) return null;
  return { low: Math.min(...known.map(({ low }) => low)), high: Math.max(...known.map(({ high }) => high)) };
}

/** Both arms' rates as dots, their intervals as whiskers. */
export function Intervals({ arms, range }: { readonly arms: SharesOfArms; readonly range: Range | null }) {
  if (range === null) return null;
  const x = scaleOf(range.low, range.high, 4, 96);
  return (
    <svg class="intervals" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">
      {arms.baseline !== null && <Whisker share={arms.baseline} look="baseline" x={x} y={7} />}
      {arms.canary !== null && <Whisker share={arms.canary} look="canary" x={x} y={17} />}
    </svg>
  );
}

/** What the ends of `Intervals` stand for. */
export function RangeEnds({ range }: { readonly range: Range | null }) {
  if (range === null) return null;
  return (
    <small class="range-ends" aria-hidden="true">
      <span>{formatShare(range.low)}</span>
      <span>{formatShare(range.high)}</span>
    </small>
  );
}

interface WhiskerProps {
  readonly share: PageShare;
  readonly look: 'baseline' | 'canary';
  readonly x: Scale;
  readonly y: number;
}

function Whisker({ share, look, x, y }: WhiskerProps) {
  return (
    <g class={`whisker ${look}`}>
      <path d={`M${x(share.low)} ${y}H${x(share.high)}M${x(share.low)} ${y - 3}v6M${x(share.high)} ${y - 3}v6`} />
      <path class="rate" d={`M${x(share.rate)} ${y}h0`} />
    </g>
  );
}
