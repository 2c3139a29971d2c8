import type { TargetPage } from '../../contract/page';
import { Card, Chip, type Tone } from '../elements';

export function ProvidersPanel({ targets }: { readonly targets: readonly TargetPage[] }) {
  return (
    <Card id="providers" title="Providers">
      <ul>
        {targets.map(({ name, circuit }) => (
          <li key={name}>
            {name} <CircuitChip circuit={circuit} />
          </li>
        ))}
      </ul>
    </Card>
  );
}

function CircuitChip({ circuit }: Pick<TargetPage, 'circuit'>) {
  const tone: Tone = circuit === 'open' ? 'bad' : 'quiet';
  return (
    <Chip tone={tone} icon="⇄">
      {circuit ?? 'not known'}
    </Chip>
  );
}
