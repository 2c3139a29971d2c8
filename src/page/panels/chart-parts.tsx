import { useState } from 'preact/hooks';
import { Missing, Time } from '../elements';
import { formatClock, formatDay, formatLocalTime, missing } from '../format';
import { type Chart, type Series, timesOf, valueAt } from './chart';
import { type Scale, timeTicks } from './scales';

/** The area inside the axes, in pixels. */
export interface Plot {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

interface AxesProps {
  readonly levels: readonly number[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly x: Scale;
  readonly y: Scale;
  readonly plot: Plot;
  readonly format: (value: number) => string;
}

const pxPerTimeLabel = 75;
const dayMs = 24 * 60 * 60 * 1000;

export function Axes({ levels, fromMs, toMs, x, y, plot, format }: AxesProps) {
  const times = timeTicks(fromMs, toMs, Math.max(2, Math.floor((plot.right - plot.left) / pxPerTimeLabel)));
  const [first = fromMs, second = toMs] = times;
  const formatTick = second - first >= dayMs ? formatDay : formatClock;
  return (
    <g class="axes">
      {levels.map((level) => (
        <g key={level}>
          <line x1={plot.left} x2={plot.right} y1={y(level)} y2={y(level)} />
          <text x={plot.left - 5} y={y(level) + 4} text-anchor="end">
            {format(level)}
          </text>
        </g>
      ))}
      {times.map((atMs) => (
        <text key={atMs} x={x(atMs)} y={plot.bottom + 16} text-anchor={anchorAt(x(atMs), plot)}>
          {formatTick(atMs)}
        </text>
      ))}
    </g>
  );
}

/** No label may stick out of the picture. */
function anchorAt(px: number, { left, right }: Plot): 'start' | 'middle' | 'end' {
  if (px < left + 20) return 'start';
  return px > right - 20 ? 'end' : 'middle';
}

export function Threshold({ y, plot, label }: { readonly y: number; readonly plot: Plot; readonly label: string }) {
  return (
    <g class="threshold-level">
      <line class="threshold" x1={plot.left} x2={plot.right} y1={y} y2={y} />
      <text x={plot.left - 5} y={y + 4} text-anchor="end">
        {label}
      </text>
    </g>
  );
}

export function MarkSign({ x, plot, isShown }: { readonly x: number; readonly plot: Plot; readonly isShown: boolean }) {
  return (
    <g class={isShown ? 'mark shown' : 'mark'}>
      <line x1={x} x2={x} y1={plot.top - 4} y2={plot.bottom} />
      <path d={`M${x - 5} ${plot.top - 12}h10l-5 8z`} />
    </g>
  );
}

/** A piece of the line, as its colour alone would not tell whose it is. */
export function Swatch({ look }: Pick<Series, 'look'>) {
  return (
    <svg class="swatch" viewBox="0 0 22 8" aria-hidden="true">
      <path class={`line ${look}`} d="M2 4h18" />
    </svg>
  );
}

/** The values and marks at one time. */
export function Readout({ chart: { series, marks, format }, atMs }: { readonly chart: Chart; readonly atMs: number }) {
  const here = marks.filter((mark) => mark.atMs === atMs);
  return (
    <figcaption class="chart-readout">
      <span class="chart-time">{formatLocalTime(atMs)}</span>
      {series.map((one) => {
        const value = valueAt(one, atMs);
        return (
          <span key={one.name}>
            {series.length > 1 && (
              <>
                <Swatch look={one.look} /> {one.name}{' '}
              </>
            )}
            <b>{value === null ? <Missing /> : format(value)}</b>
          </span>
        );
      })}
      {here.map(({ title, detail }, index) => (
        <span key={index} class="chart-mark">
          <b>▾ {title}</b> {detail}
        </span>
      ))}
    </figcaption>
  );
}

/** The same as one sentence, for a screen reader. */
export function spoken({ series, marks, format }: Chart, atMs: number): string {
  const values = series.map((one) => {
    const value = valueAt(one, atMs);
    return `${one.name} ${value === null ? 'not known' : format(value)}`;
  });
  const here = marks.filter((mark) => mark.atMs === atMs).map(({ title, detail }) => `${title}: ${detail}`);
  return [formatLocalTime(atMs), ...values, ...here].join(', ');
}

/** All values and marks. Its rows exist only while it is open: there may be hundreds in each of a dozen charts. */
export function AsTable({ chart }: { readonly chart: Chart }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="chart-table" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        As a table<span class="hidden">: {chart.label}</span>
      </summary>
      {isOpen && <ValueTable chart={chart} />}
    </details>
  );
}

function ValueTable({ chart }: { readonly chart: Chart }) {
  const { label, series, marks, format } = chart;
  const cell = (one: Series, atMs: number): string => {
    const value = one.points.find((point) => point.atMs === atMs)?.value ?? null;
    return value === null ? missing : format(value);
  };
  return (
    <div class="table-box tall" role="region" aria-label={`${label}, as a table`} tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Time</th>
            {series.map(({ name }) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
            {marks.length > 0 && <th scope="col">What happened</th>}
          </tr>
        </thead>
        <tbody>
          {timesOf(chart)
            .toReversed()
            .map((atMs) => (
              <tr key={atMs}>
                <th scope="row">
                  <Time atMs={atMs} />
                </th>
                {series.map((one) => (
                  <td key={one.name} class="number">
                    {cell(one, atMs)}
                  </td>
                ))}
                {marks.length > 0 && (
                  <td class="prose">
                    {marks
                      .filter((mark) => mark.atMs === atMs)
                      .map(({ title, detail }) => `${title}: ${detail}`)
                      .join('; ')}
                  </td>
                )}
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  );
}
