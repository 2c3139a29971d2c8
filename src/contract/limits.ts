/** Input limits. An error about an exceeded limit names it to the caller. */
export const limits = {
  /** One user message. Without `maxWindowBytes`, a window of 20 such messages would exceed Temporal's payload limit of 2 MB. */
  maxMessageBytes: 64 * 1024,
  /** Everything sent to a model: well under Temporal's payload limit of 2 MB. */
  maxWindowBytes: 512 * 1024,
  /** All messages of one stateless request, before the window is applied: under Temporal's payload limit of 2 MB. */
  maxRequestBytes: 1024 * 1024,
  /**
   * The same as JSON, in which a control character takes six bytes: Temporal counts that, and refuses more than 2 MB. Leaves
   * room for the system prompt of a session.
   */
  maxRequestJsonBytes: 1536 * 1024,
  /**
   * One answer as JSON, which may be several times as large as it was on the wire. A step's result and the turn's result
   * are sent to Temporal together with what a conversation carries to its next run: 4 MB in all.
   */
  maxAnswerBytes: 1024 * 1024,
  /**
   * The thoughts that come with an answer: over 30,000 tokens, and few enough for a conversation that remembers eight of them.
   * The rest is left out.
   */
  maxThoughtBytes: 128 * 1024,
  /**
   * Messages of one request. An agent that fills `maxRequestBytes` sends some hundreds; at this limit, a message has 500
   * bytes including all its fields. This bounds the work of a workflow activation, for which `maxRequestBytes` alone would
   * admit 34,000 messages.
   */
  maxMessages: 2_000,
  /** Parts of all messages of one request: a text and an image for each. */
  maxParts: 4_000,
  /** Pictures of one request: as many as the strictest of the large providers takes. */
  maxImages: 100,
  /** Tool calls in all messages of one request. A call without a tool message that answers it is dropped. */
  maxToolCalls: 2_000,
  /** Functions that a request offers to the model: OpenAI's own limit. */
  maxTools: 128,
  /** Models that one request may name in case its own chain fails. */
  maxFallbacks: 5,
  /** The migration guide's context window: the system prompt and the most recent messages, 20 in all. */
  maxWindowMessages: 20,
  /**
   * Messages, counted from the end, by which two histories are compared: with as many in common, a model would see the
   * same window of both.
   */
  maxComparedMessages: 40,
  /** Session, turn and user ids: they become parts of workflow ids and ledger keys. */
  maxIdLength: 200,
  /** The name of a model. The configuration allows no longer names. */
  maxModelLength: 200,
  /** With less, a conversation could close between two messages of the same user. */
  minIdleTimeoutMs: 1_000,
  /**
   * Messages from before a conversation was opened, or between two of its turns: as many as a model sees, so that nothing it
   * could see is lost. They are carried to every run, in addition to the transcript.
   */
  maxHistoryBytes: 512 * 1024,
  /** The same as JSON, in which a control character takes six bytes. */
  maxHistoryJsonBytes: 768 * 1024,
  /** From a turn's admission: whoever comes back after the weekend can still say that an answer was wrong. */
  feedbackWithinMs: 7 * 24 * 60 * 60 * 1000,
  /** Turns of one session in flight or queued. Temporal allows 10 updates in flight; this leaves room for two more. */
  maxQueuedTurns: 8,
  /** Turns whose text a conversation keeps, for the transcript and to answer repeated turn ids. */
  maxTranscriptTurns: 100,
  /** All kept turns as JSON, in which a control character takes six bytes. */
  maxTranscriptBytes: 1024 * 1024,
  /** Everything carried to a conversation's next run, as JSON: leaves an eighth of Temporal's 2 MB payload limit to spare. */
  maxCarriedBytes: 1792 * 1024,
} as const;
