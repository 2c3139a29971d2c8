import type { IncomingMessage, ServerResponse } from 'node:http';
import { faults, type Fault, type StatusFault } from './behaviour';
import type { CallEnd, CallLog } from './call-log';
import { answerTo, completionBody, readCompletionCall, type Answer, type CompletionCall } from './completion';
import { isFaultyAnswer, sendError, sendFaultyAnswer, sendJson } from './faults';
import type { SimulatedModel } from './simulated-model';

export interface ChatCompletionsContext {
  readonly models: ReadonlyMap<string, SimulatedModel>;
  readonly log: CallLog;
  /** Whether connections are being broken because the provider goes down. */
  readonly isGoingDown: () => boolean;
}

/** `POST /chat/completions`, from a body that was read to the last byte of the answer and its line in the log. */
export function serveChatCompletion(
  context: ChatCompletionsContext,
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
): void {
  const call = readCompletionCall(body);
  if ('invalid' in call) {
    refuse(context.log, request, response, null, { kind: 'status', status: 400, message: call.invalid });
    return;
  }
  const model = context.models.get(call.model);
  if (model === undefined) refuse(context.log, request, response, call.model, faults.unknownModel(call.model));
  else if (call.stream) refuse(context.log, request, response, call.model, noStreams);
  else serve(context, request, response, call, model);
}

const noStreams: StatusFault = { kind: 'status', status: 400, message: "This simulator does not know 'stream' yet." };

/** A call that ends before any work: logged and answered in one step. */
export function refuse(
  log: CallLog,
  request: IncomingMessage,
  response: ServerResponse,
  model: string | null,
  fault: StatusFault,
): void {
  const start = { requestId: requestIdOf(request), model, fault: null, promptTokens: 0, completionTokens: 0 };
  log.end(log.begin(start), { outcome: 'refused', status: fault.status, charged: false });
  sendError(response, fault);
}

function serve(
  { log, isGoingDown }: ChatCompletionsContext,
  request: IncomingMessage,
  response: ServerResponse,
  call: CompletionCall,
  model: SimulatedModel,
): void {
  const { behaviour } = model;
  const answer = answerTo(call);
  const next = model.next();
  const fault =
    answer.promptTokens > behaviour.contextTokens ? faults.contextLength(behaviour.contextTokens) : next.fault;
  const logged = log.begin({
    requestId: requestIdOf(request),
    model: call.model,
    fault: fault?.kind ?? null,
    promptTokens: answer.promptTokens,
    completionTokens: answer.completionTokens,
  });
  let isLogged = false;
  const end = (callEnd: CallEnd): void => {
    if (!isLogged) log.end(logged, callEnd);
    isLogged = true;
  };

  const timer = setTimeout(
    () => {
      answerNow(response, logged.id, model, answer, fault, end);
    },
    delayMs(fault, next.latencyMs),
  );
  response.once('close', () => {
    clearTimeout(timer);
    const charged = fault?.charged ?? (fault?.kind === 'silence' ? behaviour.chargesSilence : behaviour.chargesAborted);
    const status = response.headersSent ? response.statusCode : null;
    end({ outcome: isGoingDown() ? 'reset' : 'aborted-by-client', status, charged });
  });
}

function answerNow(
  response: ServerResponse,
  id: string,
  { name, behaviour }: SimulatedModel,
  answer: Answer,
  fault: Fault | null,
  end: (callEnd: CallEnd) => void,
): void {
  const body = completionBody(id, name, answer, behaviour.cachedPromptPercent);
  if (fault === null) {
    end({ outcome: 'answered', status: 200, charged: true });
    sendJson(response, 200, body);
  } else if (isFaultyAnswer(fault)) {
    end({ outcome: 'faulty', status: 200, charged: fault.charged ?? true });
    sendFaultyAnswer(response, fault, body);
  } else if (fault.kind === 'status') {
    end({ outcome: 'refused', status: fault.status, charged: fault.charged ?? false });
    sendError(response, fault);
  } else if (fault.kind === 'reset') {
    end({ outcome: 'reset', status: null, charged: fault.charged ?? false });
    response.socket?.resetAndDestroy();
  }
  // Silence: nothing is sent, and the call ends when the client goes.
}

function delayMs(fault: Fault | null, latencyMs: number): number {
  if (fault === null) return latencyMs;
  return fault.afterMs ?? (isFaultyAnswer(fault) ? latencyMs : 0);
}

function requestIdOf(request: IncomingMessage): string | null {
  const header = request.headers['x-request-id'];
  return typeof header === 'string' ? header : null;
}
