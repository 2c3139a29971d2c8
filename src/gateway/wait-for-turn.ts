import type { FastifyBaseLogger } from 'fastify';
import { BudgetRefusedError, TurnFailedError, TurnNotFoundError } from '../client/errors';
import type { ChatReply } from '../contract/chat';
import type { FoundRequest } from '../contract/ledger';
import type { ProblemPath } from '../contract/problem';
import type { GatewayContext } from './context';
import { GatewayError } from './gateway-error';
import { errorOfClient, errorOfReply, notKept, stoppedUnbegun, toGatewayError } from './handle-errors';
import type { TurnEnd } from './stream-turn-events';
import { pathInRequest, type TurnCall } from './to-turn';

interface WaitOptions {
  /** Whether this request began the turn. */
  readonly isNew: boolean;
  /** Whether the same request again would join the turn. */
  readonly joins: boolean;
  /** Where in the request a path of chat completions is. */
  readonly pathOf?: (path: ProblemPath) => ProblemPath;
  /** Hears once a stateless turn goes on without this gateway. */
  readonly onBegun?: () => void;
  readonly log: FastifyBaseLogger;
}

/** Waits for a turn's end, or for the end of this gateway. Never rejects. */
export function waitForTurn(
  context: Pick<GatewayContext, 'client' | 'metrics' | 'open'>,
  call: TurnCall,
  options: WaitOptions,
): Promise<TurnEnd> {
  const { client } = context;
  const { pathOf = (path) => path, onBegun } = options;
  const asked =
    call.kind === 'stateless' ? client.completeChecked(call.options, onBegun) : client.sendChecked(call.options);
  return waitForReply(context, asked, options, (path) => pathOf(pathInRequest(path, call)));
}

/** @param pathOf where in the request's body a path of its turn is */
export function waitForReply(
  { metrics, open }: Pick<GatewayContext, 'metrics' | 'open'>,
  asked: Promise<ChatReply>,
  { isNew, joins, log }: WaitOptions,
  pathOf?: (path: ProblemPath) => ProblemPath,
): Promise<TurnEnd> {
  const reply = asked
    .then((answered) => {
      if (isNew) metrics.turnEnded(answered);
      return endOf(answered);
    })
    .catch((error: unknown) => {
      if (isNew && error instanceof BudgetRefusedError) metrics.turnEnded(error.reply);
      // What stopped it is for the operator; its caller can only send the request again.
      if (error instanceof TurnFailedError) log.warn({ err: error }, 'turn failed');
      const known = errorOfClient(error, joins, pathOf);
      return { error: known ?? toGatewayError(error, log) };
    });
  return orUntilOver(open, reply);
}

/** The same for a turn that another request began. */
export function joinTurn(
  { client, open, turnDeadlineMs }: GatewayContext,
  { turnId, sessionId, outcome }: FoundRequest,
  log: FastifyBaseLogger,
): Promise<TurnEnd> {
  const reply = client
    .turn(turnId, { ...(sessionId !== null && { sessionId }), deadlineMs: turnDeadlineMs })
    .then(endOf)
    .catch((error: unknown) => {
      if (error instanceof TurnNotFoundError && outcome === 'stopped') return { error: stoppedUnbegun };
      if (error instanceof TurnNotFoundError && outcome !== 'in-progress') return { error: notKept };
      return { error: errorOfClient(error, true) ?? toGatewayError(error, log) };
    });
  return orUntilOver(open, reply);
}

export function endOf(reply: ChatReply): TurnEnd {
  return reply.success ? { reply } : { error: errorOfReply(reply), arm: reply.handler };
}

/** The end, or an error once the gateway has no more time to wait for it. */
function orUntilOver(open: GatewayContext['open'], end: Promise<TurnEnd>): Promise<TurnEnd> {
  return new Promise((resolve) => {
    const callOff = open.whenOver(() => resolve({ error: stopping }));
    void end.then((ended) => {
      callOff();
      resolve(ended);
    });
  });
}

const stopping = new GatewayError(
  'gateway_stopped_waiting',
  'This gateway is stopping. A turn that was begun goes on: GET /v1/turns/{id}/stream of another gateway joins it, with the id from x-bellwether-turn-id. One that waited for earlier turns of its session was not begun; the same request with an Idempotency-Key is safe either way.',
);
