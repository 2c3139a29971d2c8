import type { Ladder } from '../contract/page';
import { formatLocalTime, formatPercent, formatUtcTime } from './format';
import { TimeScale } from './time-scale';

interface Props {
  readonly ladder: Ladder;
  readonly nowMs: number;
}

const top = 14;
const bottom = 174;
/** Labels that stand closer than this would overlap. */
const labelHeight = 15;

/** An SVG as wide as its box: all places along the time line are shares of its width. */
export function LadderDrawing({ ladder, nowMs }: Props) {
  const scale = scaleOf(ladder, nowMs);
  const endMs = ladder.endedAtMs ?? nowMs;
  const planned = ladder.planned.map(({ atMs, percent }, index) => ({
    fromMs: atMs,
    toMs: ladder.planned[index + 1]?.atMs ?? scale.endMs,
    percent,
    title: `Planned: ${formatPercent(percent)} at ${formatLocalTime(atMs)}`,
  }));
  const reached = ladder.reached.map(({ atMs, percent, because }, index) => ({
    fromMs: atMs,
    toMs: ladder.reached[index + 1]?.atMs ?? endMs,
    percent,
    title: `${formatPercent(percent)} at ${formatLocalTime(atMs)}: ${because}`,
  }));
  return (
    <svg class="ladder" width="100%" height="204" role="img" aria-label={summaryOf(ladder, nowMs)}>
      <Hatches />
      <Periods periods={ladder.freezes} name="freeze" title="Freeze" scale={scale} />
      <Periods periods={ladder.excluded} name="excluded" title="Excluded from the evidence" scale={scale} />
      <Grid percents={[0, ...ladder.planned.map(({ percent }) => percent)]} />
      <Ticks scale={scale} />
      {reached.map(({ fromMs, toMs, percent }) => (
        <rect
          class="ladder-area"
          key={fromMs}
          y={yOf(percent)}
          height={bottom - yOf(percent)}
          {...scale.span(fromMs, toMs)}
        />
      ))}
      <Stairs stairs={planned} name="planned" scale={scale} />
      <Stairs stairs={reached} name="reached" scale={scale} />
      <Upright atMs={ladder.stepDueAtMs} name="step-due" scale={scale} />
      <Upright atMs={ladder.evidenceDueAtMs} name="evidence-due" scale={scale} />
      {ladder.endedAtMs === null && <Upright atMs={nowMs} name="now" scale={scale} />}
    </svg>
  );
}

function scaleOf(ladder: Ladder, nowMs: number): TimeScale {
  const { startedAtMs, endedAtMs, planned, stepDueAtMs, evidenceDueAtMs } = ladder;
  const ends = [planned.at(-1)?.atMs, endedAtMs ?? nowMs, stepDueAtMs, evidenceDueAtMs];
  const lastMs = Math.max(startedAtMs + 60_000, ...ends.filter((atMs) => typeof atMs === 'number'));
  // The last step would otherwise be a line without a length.
  return new TimeScale(startedAtMs, lastMs + (lastMs - startedAtMs) * 0.04);
}

function yOf(percent: number): number {
  return bottom - ((bottom - top) * percent) / 100;
}

function Hatches() {
  return (
    <defs>
      {['freeze', 'excluded'].map((name) => (
        <pattern
          key={name}
          id={`hatch-${name}`}
          width="7"
          height="7"
          patternUnits="userSpaceOnUse"
          patternTransform={`rotate(${name === 'freeze' ? 45 : -45})`}
        >
          <rect class={`hatch-${name}`} width="2" height="7" />
        </pattern>
      ))}
    </defs>
  );
}

function Periods(props: {
  readonly periods: Ladder['freezes'];
  readonly name: 'freeze' | 'excluded';
  readonly title: string;
  readonly scale: TimeScale;
}) {
  const { periods, name, title, scale } = props;
  return (
    <>
      {periods
        .filter(({ fromMs, toMs }) => scale.isVisible(fromMs, toMs))
        .map(({ fromMs, toMs }) => (
          <rect
            key={`${fromMs} ${toMs}`}
            fill={`url(#hatch-${name})`}
            y={top}
            height={bottom - top}
            {...scale.span(fromMs, toMs)}
          >
            <title>{`${title}: ${formatLocalTime(fromMs)} – ${formatLocalTime(toMs)}`}</title>
          </rect>
        ))}
    </>
  );
}

function Grid({ percents }: { readonly percents: readonly number[] }) {
  const sorted = [...new Set(percents)].toSorted((one, other) => other - one);
  const labelled: number[] = [];
  for (const percent of sorted) {
    const above = labelled.at(-1);
    if (above === undefined || yOf(percent) - yOf(above) >= labelHeight) labelled.push(percent);
  }
  return (
    <g aria-hidden="true">
      {sorted.map((percent) => (
        <line class="grid" key={percent} x1="0" x2="100%" y1={yOf(percent)} y2={yOf(percent)} />
      ))}
      {labelled.map((percent) => (
        <text class="label" key={percent} x="-8" y={yOf(percent) + 4} text-anchor="end">
          {formatPercent(percent)}
        </text>
      ))}
    </g>
  );
}

function Ticks({ scale }: { readonly scale: TimeScale }) {
  return (
    <g aria-hidden="true">
      {scale.ticks().map(({ atMs, label }, index) => (
        <g key={atMs} class={index % 2 === 1 ? 'tick tick-odd' : 'tick'}>
          <line class="grid" x1={scale.x(atMs)} x2={scale.x(atMs)} y1={bottom} y2={bottom + 5} />
          <text class="label" x={scale.x(atMs)} y={bottom + 20} text-anchor="middle">
            {label}
          </text>
        </g>
      ))}
    </g>
  );
}

interface Stair {
  readonly fromMs: number;
  readonly toMs: number;
  readonly percent: number;
  readonly title: string;
}

function Stairs(props: {
  readonly stairs: readonly Stair[];
  readonly name: 'planned' | 'reached';
  readonly scale: TimeScale;
}) {
  const { stairs, name, scale } = props;
  return (
    <g class={`stairs-${name}`}>
      {stairs.map(({ fromMs, toMs, percent }, index) => {
        const before = stairs[index - 1]?.percent ?? 0;
        return (
          <g key={fromMs}>
            <line x1={scale.x(fromMs)} x2={scale.x(fromMs)} y1={yOf(before)} y2={yOf(percent)} />
            <line x1={scale.x(fromMs)} x2={scale.x(toMs)} y1={yOf(percent)} y2={yOf(percent)} />
          </g>
        );
      })}
      {name === 'reached' &&
        stairs.map(({ fromMs, percent, title }) => (
          <circle key={fromMs} cx={scale.x(fromMs)} cy={yOf(percent)} r="4.5">
            <title>{title}</title>
          </circle>
        ))}
    </g>
  );
}

function Upright(props: { readonly atMs: number | null; readonly name: string; readonly scale: TimeScale }) {
  const { atMs, name, scale } = props;
  if (atMs === null) return null;
  return <line class={`upright upright-${name}`} x1={scale.x(atMs)} x2={scale.x(atMs)} y1={top - 8} y2={bottom} />;
}

function summaryOf(ladder: Ladder, nowMs: number): string {
  const last = ladder.reached.at(-1);
  const steps = ladder.planned.map(({ percent }) => formatPercent(percent)).join(', ');
  const real =
    last === undefined ? 'no step reached yet' : `${formatPercent(last.percent)} since ${formatUtcTime(last.atMs)}`;
  return `Steps planned: ${steps}. Now: ${real}, as of ${formatUtcTime(nowMs)}. The table below has all of it.`;
}
