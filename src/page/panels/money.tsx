import type { MoneyPage, MoneyRow } from '../../contract/page';
import { Card, Chip, TableBox, Time } from '../elements';
import { formatCount, formatExactUsd, formatShare, formatUsd } from '../format';
import { Bar } from './charts';
import { plain, Text } from './text';

/** From this share of the cap on, the rest of the day is in question. */
const nearCap = 0.8;

/** What today has cost of what it may cost, who spent it, and what the migration saves. */
export function MoneyPanel({ money }: { readonly money: MoneyPage }) {
  const { byArm, byModel, byKey } = money;
  return (
    <Card id="money" title="Money" aside={<>UTC day {money.day}</>}>
      <Today money={money} />
      <Uncounted money={money} />
      <Saved money={money} />
      {byArm.length + byModel.length + byKey.length === 0 ? (
        <p class="empty">Costs by arm, model and API key appear here with the first call of the day.</p>
      ) : (
        <div class="spenders">
          <Spenders title="Today by arm" rows={byArm} />
          <Spenders title="Today by model" rows={byModel} />
          <Spenders title="Today by API key" rows={byKey} />
        </div>
      )}
    </Card>
  );
}

function Today({ money }: { readonly money: MoneyPage }) {
  const { todayNanoUsd: spent, reservedNanoUsd: reserved, dayCapNanoUsd: cap, monthlyNanoUsd } = money;
  const shareOfCap = (nanoUsd: number): number => (cap > 0 ? nanoUsd / cap : 1);
  const spentShare = shareOfCap(spent);
  const state = stateOf(spentShare, shareOfCap(spent + reserved));
  return (
    <div class="today">
      <p>
        <b class="figure" title={formatExactUsd(spent)}>
          {formatUsd(spent)}
        </b>{' '}
        of {formatUsd(cap)} today{' '}
        {state !== null && (
          <Chip tone={state.tone} icon={state.icon}>
            {state.word}
          </Chip>
        )}
      </p>
      <Bar
        parts={[
          { share: spentShare, look: spentShare >= nearCap ? 'warn' : 'canary' },
          { share: shareOfCap(reserved), look: 'reserved' },
        ]}
      />
      <p class="soft small">
        {formatShare(spentShare)} of the cap is spent, and {formatUsd(reserved)} is reserved for calls under way. A
        month like the days so far: {formatUsd(monthlyNanoUsd)}.
      </p>
    </div>
  );
}

/** After an upgrade from a version that did not tally turns, workers count the old ones for hours. */
function Uncounted({ money: { uncountedFromMs } }: { readonly money: MoneyPage }) {
  if (uncountedFromMs === null) return null;
  return (
    <p class="uncounted">
      <Chip tone="warn" icon="▲">
        Still counting
      </Chip>{' '}
      Older turns are counted up to <Time atMs={uncountedFromMs} />, as after an upgrade. Until the rest is counted, the
      costs by arm, model and API key, the month, what was saved, and the turns, calls and latencies of both arms are
      too low or incomplete. Today's total is right, and <code>bellwether costs</code> has all of it.
    </p>
  );
}

/** Reservations are at the worst case and soon given back, so that only what is spent ends the day's budget. */
function stateOf(spentShare: number, usedShare: number) {
  if (spentShare >= 1) return { tone: 'bad', icon: '✖', word: 'Cap reached' } as const;
  if (usedShare >= 1) return { tone: 'warn', icon: '▲', word: 'The rest is reserved' } as const;
  return spentShare >= nearCap ? ({ tone: 'warn', icon: '▲', word: 'Near the cap' } as const) : null;
}

function Saved({ money: { saved } }: { readonly money: MoneyPage }) {
  if (saved === null) return null;
  const { withoutNanoUsd: without, withNanoUsd: actual } = saved;
  const difference = without - actual;
  const share = without > 0 ? ` (${formatShare(Math.abs(difference) / without)})` : '';
  return (
    <dl class="saved">
      <div>
        <dt>The rollout's volume at the baseline's prices</dt>
        <dd>{formatUsd(without)}</dd>
      </div>
      <div>
        <dt>What it really cost</dt>
        <dd>{formatUsd(actual)}</dd>
      </div>
      <div>
        <dt>{difference >= 0 ? 'Saved' : 'Costs more'}</dt>
        <dd>
          <b>
            {formatUsd(Math.abs(difference))}
            {share}
          </b>
        </dd>
      </div>
    </dl>
  );
}

function Spenders({ title, rows }: { readonly title: string; readonly rows: readonly MoneyRow[] }) {
  if (rows.length === 0) return null;
  const most = Math.max(1, ...rows.map((row) => row.costNanoUsd + row.unconfirmedNanoUsd));
  return (
    <TableBox label={`Costs of ${title.toLowerCase()}`}>
      <table class="spender">
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col" class="number">
              Turns
            </th>
            <th scope="col" class="number">
              Cost
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, turns, costNanoUsd, unconfirmedNanoUsd }) => (
            <tr key={name}>
              <th scope="row">
                <Text>{name}</Text>
                <Bar
                  parts={[
                    { share: costNanoUsd / most, look: 'canary' },
                    { share: unconfirmedNanoUsd / most, look: 'reserved' },
                  ]}
                />
              </th>
              <td class="number">{formatCount(turns)}</td>
              <td class="number">
                {formatUsd(costNanoUsd)}
                {unconfirmedNanoUsd > 0 && (
                  <small title={plain(`Calls of ${name} whose outcome is unknown may have cost this in addition.`)}>
                    and up to {formatUsd(unconfirmedNanoUsd)} unconfirmed
                  </small>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableBox>
  );
}
