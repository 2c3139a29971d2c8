import { z } from 'zod';
import type { GatewayContext } from './context';
import { type Findings, whatIsMissing } from './readiness';
import type { GatewayServer } from './server';

const findingSchema = z.enum(['ok', 'failed', 'unknown']);
const readinessSchema = z.object({
  status: z.enum(['ready', 'not_ready']),
  ledger: findingSchema.describe('Whether the ledger takes writes.'),
  temporal: findingSchema.describe('Whether Temporal takes new turns.'),
  worker: findingSchema.describe('Whether a worker asks Temporal for turns; unknown while Temporal does not answer.'),
  draining: z.boolean().describe('Whether this gateway is stopping.'),
  missing: z.array(z.string()).describe('What is missing, in words.'),
});

type ReadinessAnswer = z.output<typeof readinessSchema>;

/** `GET /healthz`: the process answers. `GET /readyz`: it can begin turns. */
export function healthRoutes(server: GatewayServer, { readiness, open }: GatewayContext): void {
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
        summary: 'The ledger takes writes, Temporal takes new turns, a worker polls, and this gateway is not stopping',
        security: [],
        response: { 200: readinessSchema, 503: readinessSchema },
      },
    },
    async (_request, reply) => {
      const answer = answerOf(await readiness.look(), open.isDraining);
      return reply.code(answer.status === 'ready' ? 200 : 503).send(answer);
    },
  );
}

function answerOf(findings: Findings, draining: boolean): ReadinessAnswer {
  const needs = Object.keys(whatIsMissing) as (keyof Findings)[];
  const missing = needs.filter((need) => findings[need] === 'failed').map((need) => whatIsMissing[need]);
  if (draining) missing.push('This gateway is stopping.');
  return { status: missing.length === 0 ? 'ready' : 'not_ready', ...findings, draining, missing };
}
