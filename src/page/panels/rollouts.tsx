import type { RolloutListing } from '../../contract/page';
import { Card, PhaseChip } from '../elements';
import { formatPercent } from '../format';
import { rolloutHref } from '../route';

export function RolloutsPanel(props: {
  readonly rollouts: readonly RolloutListing[];
  readonly current: string | null;
}) {
  return (
    <Card id="rollouts" title="Rollouts">
      <ul>
        {props.rollouts.map(({ name, phase, percent }) => (
          <li key={name}>
            <a href={rolloutHref(name)} aria-current={name === props.current ? 'page' : undefined}>
              {name}
            </a>{' '}
            <PhaseChip phase={phase} /> {formatPercent(percent)}
          </li>
        ))}
      </ul>
    </Card>
  );
}
