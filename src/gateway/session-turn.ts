import type { Branch, ChatMessage, ConversationOutline } from '../contract/chat';
import { limits } from '../contract/limits';
import { findPlace } from '../domain/turn/find-place';
import { fingerprints, textFingerprint } from '../domain/turn/fingerprints';
import { bytesAsJson, isEmptyMessage, messageText } from '../domain/turn/messages';
import { contextWindow } from '../domain/turn/window';
import type { ChatRequest } from './chat-request';
import { badRequest } from './gateway-error';
import { contentOf, instructionsOf, optionsOf, toMessage, type TurnCall, type TurnFrame } from './to-turn';

/** What a session remembers: nothing yet, or more than could be asked for in time. */
export type SessionMemory = ConversationOutline | 'none' | 'unknown';

/**
 * A turn of a session. Its memory is the truth for a client that sends what is new: only what follows the last assistant
 * message counts, so nothing is stored or sent to the model twice if a client resends its history. (The model still reads
 * the remembered messages with every turn, and their tokens are billed.) What stands before counts when the session begins:
 * a system prompt, and a conversation that was begun elsewhere, or so long ago that its memory has ended.
 * @param memory of a client that resends its whole history and lets its users change it: its history says what the turn
 * follows
 */
export function sessionTurn(
  body: ChatRequest,
  sessionId: string,
  frame: TurnFrame,
  memory: SessionMemory | null,
): TurnCall {
  const messages = body.messages.map(toMessage);
  const firstTalk = messages.findIndex(({ role }) => role !== 'system' && role !== 'developer');
  const promptCount = firstTalk === -1 ? messages.length : firstTalk;
  const firstNew = firstNewOf(messages, promptCount, memory !== null);
  const added = messages.slice(firstNew);
  if (added.length === 0) {
    throw badRequest("messages must end with something new: a user's message or a tool's result.", 'messages');
  }
  const systemPrompt = messages.slice(0, promptCount).map(messageText).join('\n\n');
  const said = messages.slice(promptCount, firstNew);
  const history = historyOf(said);
  const options = {
    ...optionsOf(body, frame),
    ...instructionsOf(frame),
    sessionId,
    ...(frame.whileBusy !== undefined && frame.whileBusy !== 'enqueue' && { whileBusy: frame.whileBusy }),
    ...(systemPrompt.trim() !== '' && { systemPrompt }),
    ...(history.length > 0 && { history }),
    ...(memory !== null && { branch: branchOf({ systemPrompt, said, added }, memory) }),
    ...contentOf(added),
  };
  return { kind: 'session', options, firstNew };
}

/** Results of tools bring their calls along: the memory may lack them, and knows them again where it does not. */
function firstNewOf(messages: readonly ChatMessage[], promptCount: number, mayContinue: boolean): number {
  const lastAnswer = messages.findLastIndex(({ role }) => role === 'assistant');
  const answer = messages[lastAnswer];
  const bringsCalls = messages[lastAnswer + 1]?.role === 'tool' && answer?.tool_calls !== undefined;
  // An answer that its user wants to be continued is said again with its question, and then with the rest of it.
  const isContinued = mayContinue && lastAnswer === messages.length - 1 && answer?.tool_calls === undefined;
  if (isContinued) return Math.max(promptCount, lastQuestion(messages));
  return Math.max(promptCount, bringsCalls ? lastAnswer : lastAnswer + 1);
}

function lastQuestion(messages: readonly ChatMessage[]): number {
  const last = messages.findLastIndex(({ role }) => role === 'user');
  return last === -1 ? messages.length : last;
}

interface SplitRequest {
  readonly systemPrompt: string;
  /** What was said before. */
  readonly said: readonly ChatMessage[];
  readonly added: readonly ChatMessage[];
}

/** Where a request stands by what it says was said before. What of that is not remembered comes with it. */
function branchOf({ systemPrompt, said, added }: SplitRequest, memory: SessionMemory): Branch {
  if (memory === 'none' || memory === 'unknown') return { ...anew(said), systemPrompt };
  const prompt = systemPrompt.trim() === '' ? '' : systemPrompt;
  const isRemembered = (prompt === '' ? null : textFingerprint(prompt)) === memory.systemPrompt;
  return { ...placeOf(said, added, memory), ...(!isRemembered && { systemPrompt: prompt }) };
}

function placeOf(said: readonly ChatMessage[], added: readonly ChatMessage[], outline: ConversationOutline): Branch {
  const [first] = added;
  // The calls are part of what was said, where they are remembered.
  if (first?.role === 'assistant' && first.tool_calls !== undefined) {
    const called = fingerprints([...said, first]).map(({ print }) => print);
    const place = findPlace(called, outline, added.length - 1);
    if (place?.after !== undefined && place.after !== null && place.known === called.length) {
      return following(place.after, said, 0);
    }
  }
  const claimed = fingerprints(said);
  const place = findPlace(
    claimed.map(({ print }) => print),
    outline,
    added.length,
  );
  if (place === null) return anew(said);
  const changed = said.slice(claimed[place.known - 1]?.end ?? 0);
  if (place.after !== null) return following(place.after, said, changed.length);
  return changed.length === 0 ? { after: null } : anew(said);
}

function anew(said: readonly ChatMessage[]): Branch {
  const history = historyOf(said);
  return { after: null, history, ...(history.length < said.length && { isCut: true }) };
}

/** Behind a turn, which the conversation may have forgotten when the request's turn comes. */
function following(after: string, said: readonly ChatMessage[], changedCount: number): Branch {
  const { history: told = [], ...cut } = anew(said);
  // With that many changes, a model would see nothing of what is remembered.
  if (told.length < changedCount) return { ...cut, history: told };
  const before = told.slice(0, told.length - changedCount);
  return { ...cut, after, before, ...(changedCount > 0 && { history: told.slice(before.length) }) };
}

/** The end of a history, with all that a model could see. */
export function historyOf(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const recent = contextWindow(
    messages.filter((message) => !isEmptyMessage(message)),
    limits.maxWindowMessages,
    limits.maxHistoryBytes,
  );
  const [first] = recent;
  const bytes = recent.reduce((sum, message) => sum + bytesAsJson(message), 0);
  // One message alone may still be too long: no window has room for it and a new one.
  return first === undefined || bytes > limits.maxHistoryBytes ? [] : messages.slice(messages.lastIndexOf(first));
}
