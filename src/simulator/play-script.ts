import type { ServerResponse } from 'node:http';
import { streamType } from './content-types';
import type { StreamScript } from './stream-script';

interface ScriptListener {
  /** Called before the step that makes the outcome certain is sent. */
  readonly onDecided: (completionTokens: number) => void;
  /** Called after every step. */
  readonly onSaid: (completionTokens: number) => void;
}

/** Sends the headers of a stream and then its steps, each in its time, until they end or the client goes. */
export function playScript(response: ServerResponse, script: StreamScript, listener: ScriptListener): void {
  response.writeHead(200, { 'content-type': streamType, 'cache-control': 'no-cache' });
  response.flushHeaders();
  let index = 0;
  let timer: NodeJS.Timeout | undefined;
  response.once('close', () => clearTimeout(timer));

  const send = (): void => {
    const step = script.steps[index];
    if (step === undefined) {
      end(response, script.ending);
      return;
    }
    if (index === script.decidedAt) listener.onDecided(step.completionTokens);
    response.write(step.text);
    listener.onSaid(step.completionTokens);
    index += 1;
    next();
  };
  const next = (): void => {
    const waitMs = script.steps[index]?.afterMs ?? 0;
    if (waitMs === 0) send();
    else timer = setTimeout(send, waitMs);
  };
  next();
}

function end(response: ServerResponse, ending: StreamScript['ending']): void {
  if (ending === 'end') response.end();
  // What was said before goes out first.
  else if (ending === 'reset') response.write('\n', () => response.socket?.resetAndDestroy());
}
