import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, answerTo, languageOf } from './answer';
import { type Fault, faults, type StatusFault } from './behaviour';
import type { CallEnd, CallLog } from './call-log';
import { completionBody } from './completion';
import { hasWholeBody, isFaultyAnswer, isUsable, sendError, sendFaultyAnswer, sendJson, streamType } from './faults';
import { type CompletionCall, readCompletionCall } from './read-call';
import type { SimulatedModel } from './simulated-model';
import { streamScript, type StreamScript } from './stream-script';

export interface ChatCompletionsContext {
  readonly models: ReadonlyMap<string, SimulatedModel>;
  readonly log: CallLog;
  /** Whether connections are being closed because the provider is going down. */
  readonly isGoingDown: () => boolean;
}

/** Handles `POST /chat/completions`, from the complete request body to the last byte of the response and its log entry. */
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
  else serve(context, request, response, call, model);
}

/** Rejects a call before any work is done: logs and answers it. */
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
  const next = model.next();
  const poor = model.nextPoorAnswer(languageOf(call.lastUserContent));
  const answer = answerTo(call, behaviour, poor);
  const fault = refusalOf(call, answer, model) ?? next.fault;
  const logged = log.begin({
    requestId: requestIdOf(request),
    model: call.model,
    fault: fault?.kind ?? null,
    promptTokens: answer.promptTokens,
    completionTokens: answer.completionTokens,
  });
  let isLogged = false;
  let completionTokens = answer.completionTokens;
  let firstTokenAtMs: number | null = null;
  const end = (callEnd: CallEnd): void => {
    if (!isLogged) log.end(logged, { completionTokens, firstTokenAtMs, ...callEnd });
    isLogged = true;
  };
  const onTokens = (tokens: number): void => {
    completionTokens = tokens;
    if (tokens > 0) firstTokenAtMs ??= Date.now();
  };

  const timer = setTimeout(
    () => {
      answerNow(response, { id: logged.id, call, model, answer, fault, end, onTokens });
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

/** Errors that follow from the request itself; they take precedence over simulated faults. */
function refusalOf(call: CompletionCall, answer: Answer, { behaviour }: SimulatedModel): StatusFault | null {
  if (answer.promptTokens > behaviour.contextTokens) return faults.contextLength(behaviour.contextTokens);
  return behaviour.prefill === 'refuse' && call.lastRole === 'assistant' ? faults.prefillRefused() : null;
}

interface PendingAnswer {
  readonly id: string;
  readonly call: CompletionCall;
  readonly model: SimulatedModel;
  readonly answer: Answer;
  readonly fault: Fault | null;
  readonly end: (callEnd: CallEnd) => void;
  readonly onTokens: (completionTokens: number) => void;
}

function answerNow(response: ServerResponse, { id, call, model, answer, fault, end, onTokens }: PendingAnswer): void {
  const { name, behaviour } = model;
  if (fault?.kind === 'status') {
    end({ outcome: 'refused', status: fault.status, charged: fault.charged ?? false });
    sendError(response, fault);
    return;
  }
  if (fault?.kind === 'reset') {
    end({ outcome: 'reset', status: null, charged: fault.charged ?? false });
    response.socket?.resetAndDestroy();
    return;
  }
  // Nothing is sent, and the call ends when the client disconnects.
  if (fault?.kind === 'silence') return;

  const body = completionBody(id, name, answer, behaviour.cachedPromptPercent);
  const charged = fault?.charged ?? true;
  const scripted = fault === null || hasWholeBody(fault) ? null : fault;
  const script = call.stream ? streamScript(body, answer, { ...behaviour, ...call }, scripted) : null;
  if (script !== null && (fault === null || scripted !== null)) {
    const onDecided = (completionTokens: number): void => {
      end({ outcome: script.outcome, status: 200, charged, completionTokens });
    };
    onTokens(0);
    playScript(response, script, { onDecided, onTokens });
    return;
  }
  // A stalled call is ended by the client.
  if (fault?.kind !== 'stall') end({ outcome: isUsable(fault) ? 'answered' : 'faulty', status: 200, charged });
  if (fault === null) sendJson(response, 200, body);
  else sendFaultyAnswer(response, fault, body, script?.steps.map(({ text }) => text).join('') ?? null);
}

function delayMs(fault: Fault | null, latencyMs: number): number {
  if (fault === null) return latencyMs;
  return fault.afterMs ?? (isFaultyAnswer(fault) ? latencyMs : 0);
}

function requestIdOf(request: IncomingMessage): string | null {
  const header = request.headers['x-request-id'];
  return typeof header === 'string' ? header : null;
}

interface ScriptListener {
  /** Called before sending the step after which the outcome is certain. */
  readonly onDecided: (completionTokens: number) => void;
  /** Called after every step. */
  readonly onTokens: (completionTokens: number) => void;
}

/** Sends the headers of a stream and then its steps, each at its time, until they end or the client disconnects. */
function playScript(response: ServerResponse, script: StreamScript, listener: ScriptListener): void {
  response.writeHead(200, { 'content-type': streamType, 'cache-control': 'no-cache' });
  response.flushHeaders();
  let index = 0;
  let timer: NodeJS.Timeout | undefined;
  response.once('close', () => clearTimeout(timer));

  const send = (): void => {
    const step = script.steps[index];
    if (step === undefined) {
      endResponse(response, script.ending);
      return;
    }
    if (index === script.decidedAt) listener.onDecided(step.completionTokens);
    response.write(step.text);
    listener.onTokens(step.completionTokens);
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

function endResponse(response: ServerResponse, ending: StreamScript['ending']): void {
  if (ending === 'end') response.end();
  // Flushes what was written before.
  else if (ending === 'reset') response.write('\n', () => response.socket?.resetAndDestroy());
}
