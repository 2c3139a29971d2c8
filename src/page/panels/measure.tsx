import { useState } from 'preact/hooks';
import type { MeasurePage } from '../../contract/page';
import { Chip, Missing, type Tone } from '../elements';
import { formatEvidence, formatUsd } from '../format';
import type { Mark } from './chart';
import { Meter, Sparkline } from './charts';
import { LineChart } from './line-chart';
import { plain, Text } from './text';

/** One measure as a line; opened, its whole course. What matters most is open from the start. */
export function MeasureRow({ measure, marks }: { readonly measure: MeasurePage; readonly marks: readonly Mark[] }) {
  const [isOpen, setOpen] = useState(measure.isWanted || measure.isReached);
  const { label, meaning, value, needed, course } = measure;
  const format = formatOf(measure);
  const state = stateOf(measure);
  return (
    <li class="measure">
      <details open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>
          <span class="measure-name">
            <b>
              <Text>{label}</Text>
            </b>
            <small>
              <Text>{meaning}</Text>
            </small>
          </span>
          <span class="measure-spark">{!isOpen && <Sparkline points={course} threshold={needed} />}</span>
          <span class="measure-value">
            {value === null ? <Missing /> : <b>{format(value)}</b>}
            {needed !== null && <small> of {format(needed)}</small>}
            {value !== null && needed !== null && <Meter value={value} needed={needed} look={state.tone} />}
          </span>
          <span class="measure-state">
            <Chip tone={state.tone} icon={state.icon}>
              {state.word}
            </Chip>
          </span>
        </summary>
        {isOpen && <Course measure={measure} marks={marks} />}
      </details>
    </li>
  );
}

function Course({ measure, marks }: { readonly measure: MeasurePage; readonly marks: readonly Mark[] }) {
  const { label, needed, course } = measure;
  if (course.length < 2) {
    return <p class="empty">Its course is drawn from the second analysis on.</p>;
  }
  const chart = {
    label: `Course of ${plain(label)}`,
    series: [{ name: 'Value', look: 'canary' as const, points: course }],
    marks,
    format: formatOf(measure),
  };
  return <LineChart chart={chart} threshold={needed} />;
}

function formatOf({ unit }: MeasurePage): (value: number) => string {
  return unit === 'evidence' ? formatEvidence : formatUsd;
}

interface State {
  readonly word: string;
  readonly icon: string;
  readonly tone: Tone;
}

function stateOf({ value, needed, isReached, isWanted, mode }: MeasurePage): State {
  if (value === null || needed === null) return { word: 'No data', icon: '·', tone: 'quiet' };
  if (isWanted) {
    return isReached ? { word: 'Reached', icon: '✔', tone: 'good' } : { word: 'Collecting', icon: '◌', tone: 'info' };
  }
  if (!isReached) return { word: 'Quiet', icon: '✔', tone: 'quiet' };
  return mode === 'act' ? { word: 'Alarm', icon: '✖', tone: 'bad' } : { word: 'Reported', icon: '▲', tone: 'warn' };
}
