import type { ComponentChild } from 'preact';
import type { ArmFigures, ArmPage, ArmsPage, PageShare } from '../../contract/page';
import { Card, Missing } from '../elements';
import { formatCount, formatLatency, formatUsd } from '../format';
import { ByLanguage } from './arms-by-language';
import { Swatch } from './chart-parts';
import { Intervals, RangeEnds, rangeOfShares, Share } from './charts';
import { LineChart } from './line-chart';
import { plain, Text } from './text';

/** Both arms side by side. Users are compared bake by bake, as the command line's report does. */
export function ArmsPanel({ arms }: { readonly arms: ArmsPage }) {
  const { baseline, canary } = arms;
  if (baseline.turns === 0 && canary.turns === 0) {
    return (
      <Card id="arms" title="Both arms">
        <p class="empty">Figures of both arms appear here with the first turns of the rollout.</p>
      </Card>
    );
  }
  return (
    <Card id="arms" title="Both arms">
      <table class="compare">
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Figure</span>
            </th>
            <th scope="col">
              <ArmName arm={baseline} look="baseline" />
            </th>
            <th scope="col">
              <ArmName arm={canary} look="canary" />
            </th>
            <th scope="col" class="picture">
              <span class="hidden">Intervals</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {figuresOf(arms).map(({ title, baseline: left, canary: right, picture }) => (
            <tr key={title}>
              <th scope="row">{title}</th>
              <td class="number">{left}</td>
              <td class="number">{right}</td>
              <td class="picture">{picture}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {!areUsersCounted(arms) && (
        <p class="empty">
          Success, costs and flags appear here once users are counted. A rollout that counts requests has none of them;{' '}
          <code>bellwether rollout report</code> compares its requests.
        </p>
      )}
      <div class="hours">
        <Hours title="First token by hour, p95" arms={arms} valueOf={(hour) => hour.firstTokenP95Ms} />
        <Hours title="Whole answer by hour, p95" arms={arms} valueOf={(hour) => hour.latencyP95Ms} />
      </div>
      <ByLanguage arms={arms} />
    </Card>
  );
}

function ArmName({ arm, look }: { readonly arm: ArmPage; readonly look: 'baseline' | 'canary' }) {
  return (
    <>
      <Swatch look={look} /> <Text>{arm.name}</Text>
      <small>{look}</small>
    </>
  );
}

interface Figure {
  readonly title: string;
  readonly baseline: ComponentChild;
  readonly canary: ComponentChild;
  readonly picture: ComponentChild;
}

function figuresOf({ baseline, canary, flags }: ArmsPage): readonly Figure[] {
  const plainly = (title: string, show: (arm: ArmPage) => ComponentChild): Figure => ({
    title,
    baseline: show(baseline),
    canary: show(canary),
    picture: null,
  });
  const shares = (title: string, shareOf: (arm: ArmFigures) => PageShare | null, unit = 'users'): Figure => {
    const both = { baseline: shareOf(baseline), canary: shareOf(canary) };
    const range = rangeOfShares([both]);
    return {
      title,
      baseline: <Share share={both.baseline} unit={unit} />,
      canary: <Share share={both.canary} unit={unit} />,
      picture: range !== null && (
        <>
          <Intervals arms={both} range={range} />
          <RangeEnds range={range} />
        </>
      ),
    };
  };
  const calls = [
    plainly('Turns', ({ turns }) => formatCount(turns)),
    plainly('Failed first calls', (arm) => <Failures arm={arm} />),
    plainly('Latency, p95', ({ latencyP95Ms }) => known(latencyP95Ms, formatLatency)),
    plainly('Tokens per answer', ({ tokensPerAnswer }) => known(tokensPerAnswer, formatCount)),
  ];
  if (!areUsersCounted({ baseline, canary })) return calls;
  return [
    plainly('Users', ({ users }) => formatCount(users)),
    shares('Success', ({ success }) => success),
    shares('Users in trouble', ({ troubled }) => troubled),
    shares('Declined', ({ declined }) => declined),
    plainly('Cost per success', ({ costPerSuccessNanoUsd }) => known(costPerSuccessNanoUsd, formatUsd)),
    ...flags.map((flag) => shares(`Flagged ${plain(flag)}`, ({ flags: byFlag }) => byFlag[flag] ?? null)),
    shares('Satisfaction', ({ satisfaction }) => satisfaction, 'ratings'),
    ...calls,
  ];
}

/** A rollout by requests counts no users, and none is counted before the first analysis. */
function areUsersCounted({ baseline, canary }: Pick<ArmsPage, 'baseline' | 'canary'>): boolean {
  return baseline.users + canary.users > 0;
}

function known(value: number | null, format: (value: number) => string): ComponentChild {
  return value === null ? <Missing /> : format(value);
}

function Failures({ arm: { failures } }: { readonly arm: ArmPage }) {
  if (failures.length === 0) return <>none</>;
  return (
    <ul class="kinds">
      {failures.map(({ outcome, calls }) => (
        <li key={outcome}>
          <Text>{outcome}</Text> <b>{formatCount(calls)}</b>
        </li>
      ))}
    </ul>
  );
}

const hourMs = 60 * 60 * 1000;

interface HoursProps {
  readonly title: string;
  readonly arms: ArmsPage;
  readonly valueOf: (hour: ArmPage['hours'][number]) => number | null;
}

function Hours({ title, arms: { baseline, canary }, valueOf }: HoursProps) {
  const seriesOf = ({ name, hours }: ArmPage, look: 'baseline' | 'canary') => ({
    name: plain(name),
    look,
    points: hours.map((hour) => ({ atMs: hour.fromMs, value: valueOf(hour) })),
  });
  const series = [seriesOf(baseline, 'baseline'), seriesOf(canary, 'canary')];
  const isDrawn = series.some(({ points }) => points.filter(({ value }) => value !== null).length > 1);
  return (
    <div>
      <h3>{title}</h3>
      {isDrawn ? (
        <LineChart chart={{ label: title, series, marks: [], format: formatLatency }} gapMs={1.5 * hourMs} />
      ) : (
        <p class="empty">Drawn once two hours have measured calls.</p>
      )}
    </div>
  );
}
