import type { ArmsPage } from '../../contract/page';
import { Card, Missing } from '../elements';
import { formatInterval, formatLatency, formatShare } from '../format';

export function ArmsPanel({ arms }: { readonly arms: ArmsPage }) {
  return (
    <Card id="arms" title="Both arms">
      <ul>
        {[arms.baseline, arms.canary].map(({ name, success, latencyP95Ms }) => (
          <li key={name}>
            {name}: {success === null ? <Missing /> : `${formatShare(success.rate)} (${formatInterval(success)})`}, p95{' '}
            {latencyP95Ms === null ? <Missing /> : formatLatency(latencyP95Ms)}
          </li>
        ))}
      </ul>
    </Card>
  );
}
