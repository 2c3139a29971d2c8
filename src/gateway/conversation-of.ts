/** Whose message a request is, and in which conversation. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { idProblem } from '../domain/validate-input';
import type { ChatRequest } from './chat-request';
import { badRequest } from './gateway-error';

const ownSessionHeader = 'x-bellwether-session';
/** Open WebUI's own (ENABLE_FORWARD_USER_INFO_HEADERS); LibreChat's as its users name them, with {{LIBRECHAT_BODY_CONVERSATIONID}}. */
const chatAppSessionHeaders = ['x-openwebui-chat-id', 'x-librechat-conversation-id', 'x-conversation-id'];
const chatAppUserHeaders = ['x-openwebui-user-id', 'x-librechat-user-id'];

export interface SessionName {
  readonly id: string;
  /** Sent by a chat application, which resends its history and asks for titles under the conversation's id. */
  readonly isChatApp: boolean;
}

/** The session that the request names; null when it is stateless. @throws {GatewayError} when its name is empty */
export function sessionOf(headers: IncomingHttpHeaders, body: ChatRequest, keyId: string): SessionName | null {
  refuseEmpty(headers[ownSessionHeader], ownSessionHeader);
  refuseEmpty(body.metadata?.session_id, 'metadata.session_id');
  const own = headerOf(headers, ownSessionHeader) ?? nonEmpty(body.metadata?.session_id);
  const chatApp = own === null ? firstHeader(headers, chatAppSessionHeaders) : null;
  const name = own ?? (chatApp !== null && isConversation(chatApp) ? chatApp : null);
  if (name === null) return null;
  // Each API key has sessions of its own: nobody reads another's conversation by guessing its id.
  return { id: safeId(`${keyId}.`, name), isChatApp: own === null };
}

/** Whoever sends one wants a session and has lost its id: a turn without memory would hide that. */
function refuseEmpty(value: string | readonly string[] | null | undefined, param: string): void {
  if (typeof value !== 'string' || value.trim() !== '') return;
  throw badRequest(`${param} is empty: give the session's id, or leave it out for a request without memory.`, param);
}

export function userOf(headers: IncomingHttpHeaders, body: ChatRequest): string | undefined {
  const name = nonEmpty(body.user) ?? nonEmpty(body.metadata?.user_id) ?? firstHeader(headers, chatAppUserHeaders);
  return name === null ? undefined : safeId('', name);
}

/**
 * Callers name their users and sessions by mail addresses, names or whole URLs. One that is no id here (visible ASCII,
 * 200 characters) is replaced by its hash, and not refused: the same name is still the same user.
 */
function safeId(prefix: string, name: string): string {
  const id = prefix + name;
  if (idProblem('id', id) === null) return id;
  return `${prefix}sha256-${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;
}

/** Not a placeholder that LibreChat had no value for, and not one of Open WebUI's temporary chats, which it keeps nowhere. */
function isConversation(id: string): boolean {
  return !/^(new|null|undefined|local:.*|\{\{.*\}\})$/.test(id);
}

function firstHeader(headers: IncomingHttpHeaders, names: readonly string[]): string | null {
  return names.map((name) => headerOf(headers, name)).find((value) => value !== null) ?? null;
}

function headerOf(headers: IncomingHttpHeaders, name: string): string | null {
  const value = headers[name];
  return nonEmpty(Array.isArray(value) ? value[0] : value);
}

function nonEmpty(value: string | null | undefined): string | null {
  return value === undefined || value === null || value.trim() === '' ? null : value;
}
