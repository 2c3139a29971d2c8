import { useState } from 'preact/hooks';
import type { RolloutListing } from '../../contract/page';
import { Card, PhaseChip, Time } from '../elements';
import { formatCount, formatPercent } from '../format';
import { rolloutHref } from '../route';
import { Text } from './text';

/** More are folded away: who looks for an old rollout opens the list. */
const shownAtOnce = 5;

/** All rollouts, the newest first. */
export function RolloutsPanel(props: {
  readonly rollouts: readonly RolloutListing[];
  readonly current: string | null;
}) {
  const { rollouts, current } = props;
  const older = rollouts.slice(shownAtOnce);
  return (
    <Card id="rollouts" title="Rollouts">
      {rollouts.length === 0 ? (
        <p class="empty">
          Rollouts appear here once one is started: <code>bellwether rollout start</code>.
        </p>
      ) : (
        <Listings rollouts={rollouts.slice(0, shownAtOnce)} current={current} />
      )}
      {older.length > 0 && <Older key={current} rollouts={older} current={current} />}
    </Card>
  );
}

interface ListingsProps {
  readonly rollouts: readonly RolloutListing[];
  readonly current: string | null;
}

/** Its rows exist only while it is open: it may have nearly a hundred, and the page is drawn anew every second. */
function Older({ rollouts, current }: ListingsProps) {
  const [isOpen, setOpen] = useState(rollouts.some(({ name }) => name === current));
  return (
    <details open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>{formatCount(rollouts.length)} older</summary>
      {isOpen && <Listings rollouts={rollouts} current={current} />}
    </details>
  );
}

function Listings({ rollouts, current }: ListingsProps) {
  return (
    <ul class="rollouts">
      {rollouts.map((rollout) => (
        <Listing key={rollout.name} rollout={rollout} isCurrent={rollout.name === current} />
      ))}
    </ul>
  );
}

function Listing({ rollout, isCurrent }: { readonly rollout: RolloutListing; readonly isCurrent: boolean }) {
  const { name, from, to, phase, percent, startedAtMs, endedAtMs, message } = rollout;
  return (
    <li class={isCurrent ? 'current' : undefined}>
      <p class="row-head">
        <a href={rolloutHref(name)} aria-current={isCurrent ? 'page' : undefined}>
          <Text>{name}</Text>
        </a>
        {isCurrent && <span class="soft small">shown on this page</span>}
        <span>
          <PhaseChip phase={phase} /> {formatPercent(percent)}
        </span>
      </p>
      <p class="soft small">
        <Text>{from}</Text> → <Text>{to}</Text>, <Time atMs={startedAtMs} /> –{' '}
        {endedAtMs === null ? 'now' : <Time atMs={endedAtMs} />}
      </p>
      <p class="small">
        <Text>{message}</Text>
      </p>
    </li>
  );
}
