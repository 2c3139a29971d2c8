/** What is particular to chat applications: how they name conversations, and what they ask beside them. */
import type { IncomingHttpHeaders } from 'node:http';
import type { ChatMessage, ConversationOutline } from '../contract/chat';
import { documentsBeginning, fingerprints } from '../domain/turn/fingerprints';
import { messageText } from '../domain/turn/messages';

/** Open WebUI's own (ENABLE_FORWARD_USER_INFO_HEADERS); LibreChat's as its users name them, with {{LIBRECHAT_BODY_CONVERSATIONID}}. */
export const chatAppSessionHeaders = ['x-openwebui-chat-id', 'x-librechat-conversation-id', 'x-conversation-id'];
export const chatAppUserHeaders = ['x-openwebui-user-id', 'x-librechat-user-id'];
/** As Open WebUI's documentation has it, with {{TASK}}: empty for what a user says. */
const taskHeader = 'x-openwebui-task';

/** Not a placeholder that LibreChat had no value for, and not one of Open WebUI's temporary chats, which it keeps nowhere. */
export function isConversation(id: string): boolean {
  return !/^(new|null|undefined|local:.*|\{\{.*\}\})$/.test(id);
}

/**
 * Whether a request is one that the application makes for itself, and not for its user: a title, tags, follow-up questions,
 * queries for a search. Such a request is one message that tells a model the task; some come before the user's first.
 */
export function asksForTask(headers: IncomingHttpHeaders, messages: readonly ChatMessage[]): boolean {
  const task = headers[taskHeader];
  if (typeof task === 'string' && task.trim() !== '' && !task.includes('{{')) return true;
  const begun = firstStep(messages);
  if (begun === null) return false;
  const asked = begun.filter(({ role }) => role === 'user').map(textOf);
  const instructions = begun.filter(({ role }) => role !== 'user').map(textOf);
  const [only] = asked;
  if (only === undefined) return begun.length === messages.length;
  if (asked.length > 1) return false;
  return isTask(only) || instructions.some((text) => beginsTask(text) || choosesTools(text, only));
}

/** What was asked first, if nothing but tools has answered it since; else null. */
export function firstStep(messages: readonly ChatMessage[]): readonly ChatMessage[] | null {
  const firstAnswer = messages.findIndex(isAnswer);
  if (firstAnswer === -1) return messages;
  return messages.slice(firstAnswer).every(isOfTools) ? messages.slice(0, firstAnswer) : null;
}

function isAnswer({ role }: ChatMessage): boolean {
  return role === 'assistant' || role === 'tool';
}

function isOfTools({ role, tool_calls: calls = [] }: ChatMessage): boolean {
  return role === 'tool' || (role === 'assistant' && calls.length > 0);
}

function textOf(message: ChatMessage): string {
  return messageText(message).trimStart();
}

function isTask(text: string): boolean {
  return text.startsWith('### Task:') ? !isQuestionWithDocuments(text) : beginsTask(text);
}

function beginsTask(text: string): boolean {
  return taskBeginnings.some((beginning) => text.startsWith(beginning));
}

/** How Open WebUI lets a model choose tools that has no calls of its own. */
function choosesTools(instruction: string, asked: string): boolean {
  return instruction.startsWith('Available Tools:') && /^(Query|History):/.test(asked);
}

/** What Open WebUI puts around a user's question when it has found documents or pages for it begins like its tasks. */
function isQuestionWithDocuments(text: string): boolean {
  if (documentsBeginning.test(text)) return true;
  return text.includes('<context>') && !text.includes('<chat_history>');
}

const taskBeginnings = [
  // Open WebUI: the face of a voice call, one answer from several, and what older versions ask.
  "Your task is to reflect the speaker's likely facial expression",
  'You have been provided with a set of responses from various models',
  'Create a concise, 3-5 word',
  'Based on the chat history, determine whether a search is necessary',
  "Given the user's message and interaction history, decide if a web search is necessary",
  // LibreChat
  'Provide a concise, 5-word-or-less title',
  'Please generate a concise, 5-word-or-less title',
  'Please generate a concise title (max 40 characters)',
  'Analyze this conversation and provide:',
  'Write a concise title for this conversation',
  'Detect the language used in the following text',
  'Summarize the conversation by integrating new lines into the current summary',
  '# Current Chat:',
];

/** As applications call their users when they quote them. */
const speakers = ['user', 'human'];

/** Shorter beginnings occur in many texts by chance. */
const leastQuoted = 16;

/**
 * Whether one message that comes alone into a conversation is about it: a task in an operator's own words, which holds the
 * conversation's text. Not true of the conversation's first message sent again, nor, usually, of an edited one.
 */
export function quotesConversation(messages: readonly ChatMessage[], outline: ConversationOutline): boolean {
  const talk = messages.filter(({ role }) => role !== 'system' && role !== 'developer');
  const [only] = talk;
  if (only === undefined || talk.length > 1 || only.role !== 'user') return false;
  const print = fingerprints(talk)[0]?.print;
  if (outline.turns.some(({ after, messages: [first] }) => after === null && first === print)) return false;
  const text = messageText(only);
  const folded = text.toLowerCase();
  return outline.quotes.some(
    ({ question, reply }) =>
      (reply.length >= leastQuoted && text.includes(reply)) ||
      (question !== '' && speakers.some((speaker) => folded.includes(`${speaker}: ${question.toLowerCase()}`))),
  );
}
