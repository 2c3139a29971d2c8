/** Limits at the edge, told to the caller by name when one is passed. */
export const limits = {
  /** One user message. A window of 20 such messages would pass Temporal's 2 MB payload limit without `maxWindowBytes`. */
  maxMessageBytes: 64 * 1024,
  /** Everything sent to a model: well under Temporal's 2 MB limit on one payload. */
  maxWindowBytes: 512 * 1024,
  /** All messages of one stateless request, before the window is cut: under Temporal's 2 MB limit on one payload. */
  maxRequestBytes: 1024 * 1024,
  /**
   * One answer as JSON, which may take several times the bytes that came over the wire. A step's result and the turn's are
   * sent to Temporal together, beside what a conversation carries to its next run: 4 MB in all.
   */
  maxAnswerBytes: 1024 * 1024,
  /**
   * Messages of one request, of which an agent that fills `maxRequestBytes` has some hundreds: with more of them, one would
   * have 500 bytes with all its fields. What each costs in a workflow's activation is bounded by this, where `maxRequestBytes` would
   * let 34,000 pass.
   */
  maxMessages: 2_000,
  /** Parts of all messages of one request: a text and a picture for each. */
  maxParts: 4_000,
  /** Calls in all messages of one request. A call is left out unless a message of its own answers it. */
  maxToolCalls: 2_000,
  /** Functions that a request offers to the model, as many as OpenAI takes. */
  maxTools: 128,
  /** The migration guide's context window: the system prompt and the most recent messages, 20 in all. */
  maxWindowMessages: 20,
  /** Session, turn and user ids: they become parts of workflow ids and keys of the ledger. */
  maxIdLength: 200,
  /** Shorter, and a conversation could end between two messages of one user. */
  minIdleTimeoutMs: 1_000,
  /**
   * What was said before a conversation began here: it is carried to each next run, beside the transcript. No more than
   * some 4,000 messages fit in, so that their number needs no limit of its own.
   */
  maxHistoryBytes: 128 * 1024,
  /** Turns of one session in flight or waiting. Temporal itself allows 10 updates in flight; a query or two must fit beside. */
  maxQueuedTurns: 8,
  /** Turns whose text a conversation keeps for the transcript and for answering repeated turn ids. */
  maxTranscriptTurns: 100,
  /** Of all kept turns as JSON, in which a control character is six bytes long. */
  maxTranscriptBytes: 1024 * 1024,
  /** All that is carried to a conversation's next run, as JSON: leaves an eighth of Temporal's 2 MB payload to spare. */
  maxCarriedBytes: 1792 * 1024,
} as const;
