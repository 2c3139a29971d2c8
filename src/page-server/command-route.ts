import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { InvalidInputError, TemporalUnreachableError } from '../client/errors';
import { mayKey } from '../contract/api-keys';
import { type CommandRequest, type CommandResponse, pagePaths } from '../contract/page';
import { LedgerUnavailableError } from '../contract/ledger';
import type { Policy } from '../contract/policy';
import { missingArmProblem } from '../operator/emergency';
import { reasonOfOutcome, withoutWorkflowNote } from '../operator/outcome-words';
import type { CommandOutcome, RolloutOperator } from '../operator/rollout-operator';
import { UnknownRolloutError } from '../operator/trail';
import { PageError } from './page-error';
import { readBody } from './read-body';

/** A sentence or two; longer reasons belong in a ticket. */
const maxReasonCharacters = 500;

/** Longer than any name of a rollout. */
const maxNameCharacters = 200;

const commandRequest: z.ZodType<CommandRequest> = z.strictObject({
  rollout: z.string().min(1).max(maxNameCharacters),
  command: z.enum(['promote', 'pause', 'resume', 'rollback', 'exclude']),
  reason: z.string().trim().min(1).max(maxReasonCharacters),
  seenPercent: z.int().min(0).max(100).optional(),
  force: z.boolean().optional(),
  full: z.boolean().optional(),
  typedName: z.string().max(maxNameCharacters).optional(),
  fromMs: z.int().optional(),
  toMs: z.int().optional(),
});

export interface CommandParts {
  readonly operator: Pick<RolloutOperator, 'command'>;
  readonly policy: Pick<Policy, 'arms' | 'defaultArm' | 'pinnedArms'>;
}

/** Operates a rollout as the owner of the key that logged in. Comes after the check of the session. */
export function commandRoute(server: FastifyInstance, parts: CommandParts): void {
  server.post(pagePaths.command, { schema: { hide: true } }, async (request, reply) => {
    const { key } = request.loggedIn;
    if (!mayKey(key, 'operate-rollouts')) {
      const message = `The key ${key.name} may only look. To act, log in with a key of the role operator.`;
      throw new PageError(403, 'wrong_key_role', message);
    }
    const asked = readBody(commandRequest, request.body);
    const refusal = refusalOf(asked);
    if (refusal !== null) return reply.send({ accepted: false, message: refusal } satisfies CommandResponse);
    const answer = await carryOut(parts, asked, key.name);
    const { rollout, command, force, full } = asked;
    const { accepted } = answer;
    request.log.info({ rollout, command, force, full, accepted, keyId: key.id }, 'command from the page');
    return reply.send(answer);
  });
}

/** What the page must send along, so that nobody does by a slip or on outdated figures what cannot be taken back. */
function refusalOf({ command, rollout, seenPercent, force, full, typedName }: CommandRequest): string | null {
  if (command !== 'promote') return null;
  if (seenPercent === undefined) {
    return 'seenPercent is missing: a promotion says which percentage the page showed. Reload the page.';
  }
  if ((force === true || full === true) && typedName !== rollout) {
    const why = force === true ? 'overrides the evidence' : 'skips the remaining steps';
    return `This ${why}, so the name of the rollout must be typed exactly: ${rollout}.`;
  }
  return null;
}

async function carryOut(
  { operator, policy }: CommandParts,
  { rollout, command, typedName: _typedName, ...input }: CommandRequest,
  actor: string,
): Promise<CommandResponse> {
  try {
    const outcome = await operator.command(rollout, command, { ...input, actor });
    return { accepted: outcome.kind === 'accepted', message: messageOf(outcome, command, policy) };
  } catch (error) {
    const message = refusalOfError(error, command);
    if (message === null) throw error;
    return { accepted: false, message };
  }
}

function messageOf(outcome: CommandOutcome, command: string, policy: CommandParts['policy']): string {
  const reason = reasonOfOutcome(outcome, command);
  if (outcome.kind !== 'accepted') return reason;
  const isRollback = command === 'rollback';
  return [
    reason,
    outcome.withoutWorkflow ? withoutWorkflowNote : null,
    isRollback ? missingArmProblem(policy, outcome.spec.baselineArm) : null,
  ]
    .filter((each) => each !== null)
    .join(' ');
}

/** Null for errors that say nothing to an operator. */
function refusalOfError(error: unknown, command: string): string | null {
  if (error instanceof UnknownRolloutError || error instanceof InvalidInputError) return error.message;
  if (error instanceof TemporalUnreachableError) {
    return `Temporal does not answer, so nothing was done: ${command} needs it, and only a rollback works without. Try again in a minute.`;
  }
  if (error instanceof LedgerUnavailableError && command === 'rollback') {
    return 'Neither the workflow nor the ledger took the rollback, so nothing has changed. If Temporal is away, run `bellwether rollout rollback` where a worker runs: with PostgreSQL, a gateway may not change the split by itself.';
  }
  return null;
}
