import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The answers under way on each connection. When one breaks, Node closes the answer that is being sent and forgets those
 * that wait behind it, to pipelined requests: they would be taken for open for ever. Here they are closed as well.
 */
export class AnswersUnderWay {
  private readonly ofConnections = new WeakMap<Socket, Set<ServerResponse>>();

  constructor(http: Server) {
    http.prependListener('request', ({ socket }, answer) => {
      const answers = this.ofConnections.get(socket) ?? this.begin(socket);
      answers.add(answer);
      answer.once('close', () => answers.delete(answer));
    });
  }

  /** Whether something of an answer is out, and not yet all of it. */
  isAmidAnswer(socket: Socket): boolean {
    const answers = [...(this.ofConnections.get(socket) ?? [])];
    return answers.some(({ headersSent, writableFinished }) => headersSent && !writableFinished);
  }

  private begin(socket: Socket): Set<ServerResponse> {
    const answers = new Set<ServerResponse>();
    this.ofConnections.set(socket, answers);
    socket.once('close', () => {
      for (const answer of answers) {
        // Node tells the one that has the connection.
        if (answer.socket !== null) continue;
        answer.destroy();
        answer.emit('close');
      }
    });
    return answers;
  }
}
