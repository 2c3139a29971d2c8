import type { Settings } from '../../config/settings';
import type { Check, CheckOutcome } from './check';

/** It answers within milliseconds, and within 3 s if Temporal's part is slow. */
const readTimeoutMs = 5_000;

/** What of the metrics can be read from here. A gateway's need a key, so only whether it listens can be told. */
export function metricsCheck({ metrics }: Pick<Settings, 'metrics'>): Check {
  const { host, port } = metrics;
  return {
    name: 'Metrics',
    advice: 'Is another program at that address? Choose another port with BELLWETHER_METRICS_PORT.',
    run() {
      if (port === undefined) {
        return {
          status: 'skipped',
          detail: 'workers serve none: BELLWETHER_METRICS_PORT is not set',
          advice:
            'BELLWETHER_METRICS_PORT=9464, or `bellwether worker --metrics-port 9464`, serves them to Prometheus.',
        };
      }
      if (port === 0) return { status: 'ok', detail: "at any free port, which each worker's log names" };
      return readFrom(`http://${addressOf(host)}:${port}/metrics`);
    },
  };
}

async function readFrom(url: string): Promise<CheckOutcome> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(readTimeoutMs) }).catch(() => null);
  if (answer === null) return { status: 'skipped', detail: `no worker serves them at ${url}, as seen from here` };
  const names = new Set((await answer.text()).match(/^bellwether_\w+/gm));
  if (names.size > 0) return { status: 'ok', detail: `a worker serves them at ${url}` };
  return {
    status: 'failed',
    detail: `${url} answers ${answer.status}, but has no metrics of a worker`,
    advice: 'Another program is at that address. Choose another port with BELLWETHER_METRICS_PORT.',
  };
}

/** Where to ask a server that listens at all addresses. */
function addressOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
