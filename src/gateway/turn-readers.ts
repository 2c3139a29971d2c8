import type { FastifyReply, FastifyRequest } from 'fastify';
import { type OnDisconnect, onDisconnectChoices } from '../config/settings';
import { sessionIdOf } from '../contract/names';
import type { BegunTurn } from './begin-turn';
import type { GatewayContext } from './context';
import { choiceOf } from './turn-headers';

export const onDisconnectHeader = 'x-bellwether-on-disconnect';

/** The requests of this process that wait for one turn. */
interface Readers {
  open: number;
  readonly said: Set<OnDisconnect>;
}

/**
 * Who waits for which turn in this process. When the last one has left before the turn's end, the turn is stopped if a
 * request said so and none said that it goes on. Readers at other gateways are not known here.
 */
export class TurnReaders {
  private readonly turns = new Map<string, Readers>();

  constructor(
    private readonly context: Pick<GatewayContext, 'client' | 'open'>,
    private readonly byDefault: OnDisconnect,
  ) {}

  /** @param begins only such a request has a say by default. @throws {GatewayError} for an unknown word in the header */
  sayOf({ headers }: Pick<FastifyRequest, 'headers'>, { begins }: { readonly begins: boolean }): OnDisconnect | null {
    return choiceOf(headers, onDisconnectHeader, onDisconnectChoices) ?? (begins ? this.byDefault : null);
  }

  add(
    turn: Omit<BegunTurn, 'begun'>,
    say: OnDisconnect | null,
    reply: FastifyReply,
    { log }: Pick<FastifyRequest, 'log'>,
  ): void {
    const { turnName, end } = turn;
    const readers = this.turns.get(turnName) ?? { open: 0, said: new Set() };
    this.turns.set(turnName, readers);
    readers.open += 1;
    if (say !== null) readers.said.add(say);
    let isOver = false;
    void end.then(() => (isOver = true));
    const leave = (): void => {
      readers.open -= 1;
      if (readers.open > 0) return;
      this.turns.delete(turnName);
      const mayStop = readers.said.has('cancel') && !readers.said.has('continue');
      // A gateway that stops closes connections itself, and its clients look for another one.
      if (isOver || !mayStop || this.context.open.isDraining) return;
      this.stop(turn).catch((error: unknown) => log.warn({ err: error }, 'turn could not be stopped'));
    };
    // With those of the server and of a stream, there are more than Node expects.
    reply.raw.setMaxListeners(reply.raw.getMaxListeners() + 1);
    if (reply.raw.destroyed) leave();
    else reply.raw.once('close', leave);
  }

  private async stop({ turnId, turnName }: Pick<BegunTurn, 'turnId' | 'turnName'>): Promise<void> {
    const sessionId = sessionIdOf(turnName);
    await this.context.client.cancelTurn(turnId, sessionId === null ? {} : { sessionId });
  }
}
