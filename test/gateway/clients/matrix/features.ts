/** What is tried with every client. */
export const features = ['plain', 'streamed', 'tools', 'structured', 'error', 'reasoning'] as const;
export type Feature = (typeof features)[number];

/** What a client needs to be told: where the gateway is, and a key. */
export interface ClientConnection {
  readonly baseUrl: string;
  readonly apiKey: string;
}

/** What a client says of the same few requests, whatever its own words for it are. */
export interface Outcomes {
  /** The text of the answer to `question`. */
  readonly plain: string;
  /** The same in the pieces in which it came. */
  readonly streamed: readonly string[];
  /** The answer to `askForOrder`, for which the client has run `find_order`. */
  readonly tools: string;
  /** The answer as an object with one field. */
  readonly structured: { readonly answer: string };
  /** What the client makes of an unknown model; `status` is null if it does not tell. */
  readonly error: { readonly status: number | null; readonly message: string };
  /** What the model has thought before its answer. */
  readonly reasoning: string;
}

export type Tries = { readonly [Name in Feature]: (connection: ClientConnection) => Promise<Outcomes[Name]> };

export interface TestedClient {
  /** As the documentation has it: `openai`, `LangChain (ChatOpenAI)`. */
  readonly name: string;
  readonly language: 'TypeScript' | 'Python' | 'Rust';
  readonly version: string;
  readonly api: 'Chat completions' | 'Responses';
  /** How to connect it, in a line of code. */
  readonly connect: string;
  /** What the client itself does not have, and so cannot be tried. */
  readonly lacks: Partial<Readonly<Record<Feature, string>>>;
  readonly tries: Partial<Tries>;
}

export const question = 'Where is my order?';
/** Another one of OpenAI's, which the gateway does not have: some clients refuse names that OpenAI does not know. */
export const unknownModel = 'gpt-4o';
export const thoughts = 'The user asks about an order.';
export const toolResult = 'ORD-7 is on its way.';

export const answerSchema = {
  type: 'object' as const,
  properties: { answer: { type: 'string' as const } },
  required: ['answer'],
  additionalProperties: false as const,
};
