/** What a backend service imports: connect, send, transcript, close. No knowledge of Temporal is needed. */
export type {
  ChatMessage,
  ChatReply,
  ConversationSpend,
  ReplyLanguage,
  Transcript,
  TranscriptTurn,
} from '../contract/chat';
export type { BellwetherClient, CompleteOptions, SendOptions } from './bellwether-client';
export { connect } from './connect';
export type { ConnectOptions } from './connect';
export {
  BellwetherError,
  BudgetRefusedError,
  ConversationClosedError,
  ConversationNotFoundError,
  DeadlineExceededError,
  InvalidInputError,
  QueueFullError,
  TemporalUnreachableError,
  TurnFailedError,
} from './errors';
