import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { GatewayContext } from './context';
import type { GatewayServer } from './server';

const readinessSchema = z.object({
  status: z.enum(['ready', 'not_ready']),
  ledger: z.enum(['ok', 'failed']),
  temporal: z.enum(['ok', 'failed']),
  draining: z.boolean(),
});

type Readiness = z.output<typeof readinessSchema>;

/** Several probes within a second share one look. */
const keptForMs = 1_000;

/** `GET /healthz`: the process answers. `GET /readyz`: it can begin turns. */
export function healthRoutes(server: GatewayServer, context: GatewayContext): void {
  let latest: { readonly atMs: number; readonly checked: Promise<[boolean, boolean]> } | null = null;
  const look = (): Promise<[boolean, boolean]> => {
    const nowMs = performance.now();
    if (latest === null || nowMs - latest.atMs > keptForMs) latest = { atMs: nowMs, checked: check(context) };
    return latest.checked;
  };

  server.get(
    '/healthz',
    {
      schema: {
        summary: 'The process answers',
        security: [],
        response: { 200: z.object({ status: z.literal('ok') }) },
      },
    },
    async () => ({ status: 'ok' as const }),
  );
  server.get(
    '/readyz',
    {
      schema: {
        summary: 'Ledger and Temporal answer, and this gateway is not stopping',
        security: [],
        response: { 200: readinessSchema, 503: readinessSchema },
      },
    },
    async (_request, reply) => {
      const [ledger, temporal] = await look();
      const draining = context.open.isDraining;
      const isReady = ledger && temporal && !draining;
      const readiness: Readiness = {
        status: isReady ? 'ready' : 'not_ready',
        ledger: ledger ? 'ok' : 'failed',
        temporal: temporal ? 'ok' : 'failed',
        draining,
      };
      return reply.code(isReady ? 200 : 503).send(readiness);
    },
  );
}

function check({ ledger, client, limits }: GatewayContext): Promise<[boolean, boolean]> {
  return Promise.all([
    answersWithin(limits.readinessMs, () => ledger.check()),
    answersWithin(limits.readinessMs, () => client.check(limits.readinessMs)),
  ]);
}

async function answersWithin(timeoutMs: number, ask: () => Promise<unknown>): Promise<boolean> {
  const answered = ask().then(
    () => true,
    () => false,
  );
  return Promise.race([answered, delay(timeoutMs, false, { ref: false })]);
}
