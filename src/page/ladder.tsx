import type { ComponentChildren } from 'preact';
import type { Ladder as LadderData } from '../contract/page';
import { Card, Distance, Missing, TableBox, Time } from './elements';
import { formatPercent } from './format';
import { LadderDrawing } from './ladder-drawing';

interface Props {
  readonly ladder: LadderData;
  readonly nowMs: number;
}

/** Planned steps against real ones on one time line. */
export function Ladder({ ladder, nowMs }: Props) {
  return (
    <Card id="ladder" title="Ladder" aside={<Beginning ladder={ladder} />}>
      <LadderDrawing ladder={ladder} nowMs={nowMs} />
      <Legend ladder={ladder} />
      <details>
        <summary>As a table</summary>
        <Table ladder={ladder} />
      </details>
    </Card>
  );
}

function Beginning({ ladder: { startedAtMs, endedAtMs } }: Pick<Props, 'ladder'>) {
  return (
    <>
      Started <Time atMs={startedAtMs} />
      {endedAtMs !== null && (
        <>
          , ended <Time atMs={endedAtMs} />
        </>
      )}
    </>
  );
}

function Legend({ ladder }: Pick<Props, 'ladder'>) {
  const { freezes, excluded, stepDueAtMs, evidenceDueAtMs, endedAtMs } = ladder;
  return (
    <ul class="legend small">
      <Key name="reached">real</Key>
      <Key name="planned">planned</Key>
      {endedAtMs === null && <Key name="now">now</Key>}
      {stepDueAtMs !== null && (
        <Key name="step-due">
          step may end <Distance atMs={stepDueAtMs} />
        </Key>
      )}
      {evidenceDueAtMs !== null && (
        <Key name="evidence-due">
          held without evidence <Distance atMs={evidenceDueAtMs} />
        </Key>
      )}
      {freezes.length > 0 && <Key name="freeze">freeze</Key>}
      {excluded.length > 0 && <Key name="excluded">excluded from the evidence</Key>}
    </ul>
  );
}

function Key({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <li>
      <svg class="key" width="18" height="12" aria-hidden="true">
        {name === 'freeze' || name === 'excluded' ? (
          <rect width="18" height="12" fill={`url(#hatch-${name})`} />
        ) : (
          <g class={name === 'reached' || name === 'planned' ? `stairs-${name}` : `upright upright-${name}`}>
            {name === 'reached' || name === 'planned' ? (
              <line x1="0" x2="18" y1="6" y2="6" />
            ) : (
              <line x1="9" x2="9" y1="0" y2="12" />
            )}
          </g>
        )}
      </svg>
      <span>{children}</span>
    </li>
  );
}

function Table({ ladder }: Pick<Props, 'ladder'>) {
  return (
    <TableBox label="The steps">
      <table>
        <thead>
          <tr>
            <th scope="col" class="number">
              Step
            </th>
            <th scope="col">Planned</th>
            <th scope="col">Reached</th>
            <th scope="col">Because</th>
          </tr>
        </thead>
        <tbody>
          {rowsOf(ladder).map(({ percent, plannedAtMs, reachedAtMs, because }) => (
            <tr key={`${percent} ${plannedAtMs} ${reachedAtMs}`}>
              <td class="number">{formatPercent(percent)}</td>
              <td>{plannedAtMs === null ? <Missing /> : <Time atMs={plannedAtMs} />}</td>
              <td>{reachedAtMs === null ? 'not yet' : <Time atMs={reachedAtMs} />}</td>
              <td>{because}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableBox>
  );
}

interface Row {
  readonly percent: number;
  readonly plannedAtMs: number | null;
  readonly reachedAtMs: number | null;
  readonly because: string;
}

/** What happened, in its order, and then what is planned and has not happened yet. */
function rowsOf({ planned, reached }: LadderData): readonly Row[] {
  const plannedAtMs = (percent: number) => planned.find((step) => step.percent === percent)?.atMs ?? null;
  const happened = reached.map(({ percent, atMs, because }) => ({
    percent,
    plannedAtMs: plannedAtMs(percent),
    reachedAtMs: atMs,
    because,
  }));
  const open = planned
    .filter(({ percent }) => !reached.some((step) => step.percent === percent))
    .map(({ percent, atMs }) => ({ percent, plannedAtMs: atMs, reachedAtMs: null, because: '' }));
  return [...happened, ...open];
}
