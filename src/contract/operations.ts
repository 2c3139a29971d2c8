/** What a turn may ask of a model instead of a chat: one call whose answer is no text. See docs/embeddings.md. */
import type { RequestOptions } from './chat';
import type { Arm } from './policy';

export const operations = ['embeddings', 'moderations'] as const;
export type Operation = (typeof operations)[number];

/** Input of the `modelRequest` workflow. The request's `input` and its other fields are in `modelOptions`. */
export interface ModelRequestInput extends Omit<RequestOptions, 'delivery' | 'temperature' | 'maxTokens'> {
  readonly turnId: string;
  readonly operation: Operation;
  /** The name under which the service offers it. */
  readonly model: string;
  readonly userId?: string;
}

/** A model that the service offers for an operation, and the targets that are tried for it, in order. */
export interface OfferedModel extends Arm {
  readonly operation: Operation;
  readonly model: string;
  /** The most numbers that one vector can have: it decides how many fit one call. */
  readonly maxDimensions: number;
}

/** Where costs and calls of an offered model are counted. No arm of chats can have this name, because of the slash. */
export function armOfOperation(operation: Operation, model: string): string {
  return `${operation}/${model}`;
}
