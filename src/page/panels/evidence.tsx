import type { EvidencePage } from '../../contract/page';
import { Card } from '../elements';
import { formatCount, formatEvidence } from '../format';

export function EvidencePanel({ evidence }: { readonly evidence: EvidencePage }) {
  return (
    <Card id="evidence" title="Evidence">
      <p>
        About {formatCount(evidence.toGo)} {evidence.unit} to go.
      </p>
      <ul>
        {evidence.measures.map(({ id, label, value, needed }) => (
          <li key={id}>
            {label}: {value === null ? 'unknown' : formatEvidence(value)}
            {needed === null ? '' : ` of ${formatEvidence(needed)}`}
          </li>
        ))}
      </ul>
    </Card>
  );
}
