import { foreignCaller, isLoopback } from '../loopback';
import { forbidden } from './gateway-error';
import type { GatewayServer } from './server';

/**
 * On loopback, refuses what a web page from elsewhere sends through a browser on this machine, whatever the route. Where
 * other machines reach the gateway, nothing can be told by these headers: proxies set `Host` as they please.
 */
export function refuseForeignPages(server: GatewayServer, host: string, allowedHosts: readonly string[]): void {
  if (!isLoopback(host)) return;
  server.addHook('onRequest', async ({ headers }) => {
    const foreign = foreignCaller(headers, allowedHosts);
    if (foreign === undefined) return;
    const { header, value, name } = foreign;
    throw forbidden(
      `This gateway is for programs and pages of this machine, and ${named[header]} is "${shortened(value)}". ` +
        (name === '' && header === 'origin' ? serveIt : allowIt),
      'foreign_caller',
      header,
    );
  });
}

const named = { host: 'Host', origin: 'Origin' } as const;
const allowIt = 'If that is a name of your own, put it into gateway.allowedHosts, without a port.';
const serveIt =
  'A local file or a sandboxed frame has no name that could be allowed. Serve the page over HTTP from this machine.';

function shortened(value: string): string {
  return value.length > 100 ? `${value.slice(0, 100)}…` : value;
}
