import type { RefObject, TargetedKeyboardEvent, TargetedPointerEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Chart, nearestIndex, timesOf } from './chart';
import { AsTable, Axes, MarkSign, Readout, spoken, Threshold } from './chart-parts';
import { pathOf, rangeOf, scaleOf, ticksOf } from './scales';

interface LineChartProps {
  readonly chart: Chart;
  readonly threshold?: number | null;
  /** Points further apart than this are not joined. */
  readonly gapMs?: number;
}

const height = 152;
/** A mark is what the pointer means when it is this near. */
const nearMarkPx = 9;
const pxPerCharacter = 6.6;
const pxPerLabel = 14;

/** Lines over time. The pointer or the arrow keys move a cursor, whose values are written below; a table has all of them. */
export function LineChart({ chart, threshold = null, gapMs = Infinity }: LineChartProps) {
  const [frame, width] = useWidth();
  const [cursorMs, setCursorMs] = useState<number | null>(null);
  const { series, format } = chart;
  const points = series.flatMap((one) => one.points);
  const fromMs = Math.min(...points.map(({ atMs }) => atMs));
  const toMs = Math.max(...points.map(({ atMs }) => atMs));
  const marks = chart.marks.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
  const times = timesOf({ ...chart, marks });

  const range = rangeOf(
    points.flatMap(({ value }) => value ?? []),
    threshold,
  );
  const ticks = ticksOf(range, 3);
  const labels = [...ticks, ...(threshold === null ? [] : [threshold])].map((level) => format(level));
  const left = 8 + pxPerCharacter * Math.max(...labels.map((label) => label.length));
  const plot = { left, right: width - 10, top: 14, bottom: height - 20 };
  const x = scaleOf(fromMs, toMs, plot.left, plot.right);
  const y = scaleOf(range.low, range.high, plot.bottom, plot.top);
  const levels = ticks.filter((level) => threshold === null || Math.abs(y(level) - y(threshold)) > pxPerLabel);
  const index = cursorMs === null ? times.length - 1 : nearestIndex(times, cursorMs);
  const shownMs = times[index] ?? toMs;

  const point = ({ clientX, currentTarget }: TargetedPointerEvent<HTMLDivElement>): void => {
    const px = clientX - currentTarget.getBoundingClientRect().left;
    const near = marks.find(({ atMs }) => Math.abs(x(atMs) - px) <= nearMarkPx);
    setCursorMs(near?.atMs ?? fromMs + ((px - plot.left) / (plot.right - plot.left)) * (toMs - fromMs));
  };
  const step = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const next = indexAfter(event.key, index, times.length);
    if (next === null) return;
    event.preventDefault();
    setCursorMs(times[next] ?? null);
  };

  return (
    <figure class="chart">
      <div
        ref={frame}
        class="chart-plot"
        role="slider"
        tabIndex={0}
        aria-label={chart.label}
        aria-valuemin={1}
        aria-valuemax={times.length}
        aria-valuenow={index + 1}
        aria-valuetext={spoken(chart, shownMs)}
        onPointerMove={point}
        onPointerDown={point}
        onPointerLeave={() => setCursorMs(null)}
        onBlur={() => setCursorMs(null)}
        onKeyDown={step}
      >
        <svg aria-hidden="true" viewBox={`0 0 ${width} ${height}`}>
          <Axes levels={levels} fromMs={fromMs} toMs={toMs} x={x} y={y} plot={plot} format={format} />
          {threshold !== null && <Threshold y={y(threshold)} plot={plot} label={format(threshold)} />}
          {marks.map(({ atMs }, position) => (
            <MarkSign key={position} x={x(atMs)} plot={plot} isShown={cursorMs !== null && atMs === shownMs} />
          ))}
          {series.map((one) => (
            <path key={one.name} class={`line ${one.look}`} d={pathOf(one.points, x, y, gapMs)} />
          ))}
          {cursorMs !== null && <line class="cursor" x1={x(shownMs)} x2={x(shownMs)} y1={plot.top} y2={plot.bottom} />}
        </svg>
      </div>
      <Readout chart={chart} atMs={shownMs} />
      <AsTable chart={chart} />
    </figure>
  );
}

/** Which position a key leads to; null if it is none of ours. */
function indexAfter(key: string, index: number, count: number): number | null {
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowDown':
      return Math.max(0, index - 1);
    case 'ArrowRight':
    case 'ArrowUp':
      return Math.min(count - 1, index + 1);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}

/** The element's width: drawn for any other, the picture's text would be stretched. */
function useWidth(): [RefObject<HTMLDivElement | null>, number] {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(320);
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(Math.max(160, element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [frame, width];
}
