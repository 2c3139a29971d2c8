/** What a backend service imports: connect, send, transcript, close. No knowledge of Temporal is needed. */
export type {
  Branch,
  ChatMessage,
  ChatReply,
  ConversationOutline,
  ConversationSpend,
  ReplyLanguage,
  Transcript,
  TranscriptTurn,
  WhileBusy,
} from '../contract/chat';
export type { Problem, ProblemCode, ProblemPath } from '../contract/problem';
export type {
  BellwetherClient,
  CancelOptions,
  CompleteOptions,
  FeedbackOptions,
  JoinOptions,
  SendOptions,
} from './bellwether-client';
export type { HandedOver, HandOverInput, PersonMessage } from '../contract/hand-off';
export type { NewPersonMessage } from './hand-off';
export type {
  RolloutAnswer,
  RolloutCommandInput,
  RolloutCommandName,
  RolloutSpec,
  RolloutState,
  RolloutStatus,
} from '../contract/rollout';
export { connect, connectOperator } from './connect';
export type { ConnectOptions, OperatorOptions } from './connect';
export type { Rollouts } from '../contract/rollout-ledger';
export type { TurnState } from '../contract/turn-stops';
export type { FeedbackSignal } from '../contract/user-evidence';
export type { RollbackAnswer } from './rollback';
export type { RolloutClient } from './rollout-client';
export {
  BellwetherError,
  BudgetRefusedError,
  ConversationClosedError,
  ConversationNotFoundError,
  DeadlineExceededError,
  FeedbackTooLateError,
  InvalidInputError,
  NotHandedOverError,
  QueueFullError,
  RolloutEndedError,
  RolloutNotFoundError,
  RolloutRefusedError,
  SessionBusyError,
  TemporalUnreachableError,
  TurnFailedError,
  TurnHopelessError,
  TurnNotFoundError,
  TurnNotKeptError,
  TurnNotSentError,
  TurnStoppedError,
  TurnTooLateError,
} from './errors';
