import type { TargetPage } from '../../contract/page';
import { Card, Chip, Distance, Missing, TableBox, type Tone } from '../elements';
import { formatCount, formatLatency, formatShare } from '../format';
import { plain, Text } from './text';

/** Whether the targets answer. Those that do not come first. */
export function ProvidersPanel({ targets }: { readonly targets: readonly TargetPage[] }) {
  const byUrgency = targets.toSorted((one, other) => urgencyOf(one) - urgencyOf(other));
  return (
    <Card id="providers" title="Providers" aside="calls of the last hour">
      {targets.length === 0 ? (
        <p class="empty">The configured targets appear here with their circuits once a worker runs.</p>
      ) : (
        <TableBox label="Circuits and calls of all targets">
          <table class="stacks">
            <thead>
              <tr>
                <th scope="col">Target</th>
                <th scope="col">Circuit</th>
                <th scope="col" class="number">
                  Calls
                </th>
                <th scope="col" class="number">
                  Failed
                </th>
                <th scope="col" class="number">
                  Latency p50, p95
                </th>
                <th scope="col" class="number">
                  Last success
                </th>
              </tr>
            </thead>
            <tbody>
              {byUrgency.map((target) => (
                <Target key={target.name} target={target} />
              ))}
            </tbody>
          </table>
        </TableBox>
      )}
    </Card>
  );
}

function Target({ target }: { readonly target: TargetPage }) {
  const { name, arms, calls, latencyP50Ms, latencyP95Ms, lastSuccessAtMs } = target;
  const circuit = circuits[target.circuit ?? (calls === 0 ? 'uncalled' : 'unreported')];
  return (
    <tr>
      <th scope="row">
        <Text>{name}</Text>
        {arms.length > 0 && <small>{plain(arms.join(', '))}</small>}
      </th>
      <td data-label="Circuit">
        <Chip tone={circuit.tone} icon={circuit.icon}>
          {circuit.word}
        </Chip>
        <small>{circuit.meaning}</small>
      </td>
      <td class="number" data-label="Calls">
        {formatCount(calls)}
      </td>
      <td class="number" data-label="Failed">
        <Errors target={target} />
      </td>
      <td class="number" data-label="Latency p50, p95">
        <Latency p50Ms={latencyP50Ms} p95Ms={latencyP95Ms} />
      </td>
      <td class="number" data-label="Last success">
        {lastSuccessAtMs === null ? <Missing /> : <Distance atMs={lastSuccessAtMs} />}
      </td>
    </tr>
  );
}

function Latency({ p50Ms, p95Ms }: { readonly p50Ms: number | null; readonly p95Ms: number | null }) {
  if (p50Ms === null || p95Ms === null) return <Missing />;
  return (
    <>
      {formatLatency(p50Ms)}, {formatLatency(p95Ms)}
    </>
  );
}

function Errors({ target: { calls, errors } }: { readonly target: TargetPage }) {
  const failed = errors.reduce((sum, error) => sum + error.calls, 0);
  if (calls === 0) return <Missing />;
  return (
    <>
      {formatCount(failed)} ({formatShare(failed / calls)})
      {errors.map(({ outcome, calls: count }) => (
        <small key={outcome}>
          <Text>{outcome}</Text> {formatCount(count)}
        </small>
      ))}
    </>
  );
}

interface Circuit {
  readonly word: string;
  readonly meaning: string;
  readonly icon: string;
  readonly tone: Tone;
}

const circuits: Readonly<Record<NonNullable<TargetPage['circuit']> | 'uncalled' | 'unreported', Circuit>> = {
  closed: { word: 'Closed', meaning: 'calls pass', icon: '✔', tone: 'good' },
  'half-open': { word: 'Half-open', meaning: 'one call tries it', icon: '▲', tone: 'warn' },
  open: { word: 'Open', meaning: 'no calls for now', icon: '✖', tone: 'bad' },
  uncalled: { word: 'Not known', meaning: 'no worker has called it lately', icon: '·', tone: 'quiet' },
  /** The workers that called it have ended, or are older than these reports. */
  unreported: { word: 'Not known', meaning: 'no running worker reports it', icon: '·', tone: 'quiet' },
};

function urgencyOf({ circuit }: TargetPage): number {
  return circuit === null ? 2 : ['open', 'half-open', 'closed'].indexOf(circuit);
}
