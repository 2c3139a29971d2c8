import * as fc from 'fast-check';
import { oddText, oddValue } from './odd-values';

type Place = readonly (string | number)[];

const firstMessage: Place = ['messages', 0];

const places: readonly Place[] = [
  ['model'],
  ['messages'],
  firstMessage,
  ...['role', 'content', 'name', 'tool_calls', 'tool_call_id', 'refusal'].map((field) => [...firstMessage, field]),
  [...firstMessage, 'content', 0],
  [...firstMessage, 'content', 0, 'type'],
  [...firstMessage, 'tool_calls', 0],
  ['messages', 1],
  ['messages', 1, 'content'],
  ['tools', 0],
  ['tools', 0, 'function'],
  ['metadata', 'session_id'],
  ['metadata', 'user_id'],
  ['stream_options', 'include_usage'],
  ...[
    'stream,stream_options,max_tokens,max_completion_tokens,temperature,n,user,metadata,modalities,functions',
    'function_call,audio,tools,tool_choice,parallel_tool_calls,response_format,stop,top_p,seed,presence_penalty',
    'frequency_penalty,logit_bias,reasoning_effort,verbosity,prediction,prompt_cache_key,web_search_options,store',
  ].flatMap((names) => names.split(',').map((name) => [name])),
];

/** What is wrong in itself, whatever else the body has: a valid one costs a whole turn, so they are kept few. */
const flaws: readonly (readonly [Place, unknown])[] = [
  [['model'], 'gpt-99'],
  [['model'], 7],
  [['model'], undefined],
  [['messages'], []],
  [['messages'], { 0: { role: 'user' } }],
  [firstMessage, null],
  [[...firstMessage, 'role'], 'robot'],
  [[...firstMessage, 'content'], ''],
  [[...firstMessage, 'content'], 7],
  [['temperature'], '1'],
  [['n'], 2],
  [['max_tokens'], -1],
  [['stop'], [[]]],
  [['tools'], 'all'],
];

const firstItem: Place = ['input', 0];

/** The same of a request for a response. */
const placesOfResponses: readonly Place[] = [
  ['model'],
  ['input'],
  firstItem,
  ...['type', 'role', 'content', 'id', 'call_id', 'output', 'arguments', 'name', 'summary', 'status'].map((field) => [
    ...firstItem,
    field,
  ]),
  [...firstItem, 'content', 0],
  [...firstItem, 'content', 0, 'type'],
  [...firstItem, 'content', 0, 'image_url'],
  ['input', 1],
  ['tools', 0],
  ['tools', 0, 'name'],
  ['text', 'format'],
  ['reasoning', 'effort'],
  ['metadata', 'session_id'],
  ['conversation', 'id'],
  ...[
    'instructions,previous_response_id,conversation,store,stream,background,tools,tool_choice,parallel_tool_calls,text',
    'reasoning,include,metadata,max_output_tokens,max_tool_calls,temperature,top_p,truncation,user,prompt,service_tier',
    'safety_identifier,prompt_cache_key,top_logprobs',
  ].flatMap((names) => names.split(',').map((name) => [name])),
];

const flawsOfResponses: typeof flaws = [
  [['model'], 'gpt-99'],
  [['input'], undefined],
  [['input'], []],
  [['input'], [{ type: 'function_call_output', call_id: 'call_none', output: 'x' }]],
  [['input'], [{ type: 'item_reference', id: 'msg_none' }]],
  [['tools'], [{ type: 'web_search' }]],
  [['previous_response_id'], 'resp_none'],
  [['max_output_tokens'], -1],
];

interface Changed {
  readonly stream: boolean;
  readonly changes: readonly (readonly [Place, unknown])[];
}

/** The bodies that a client could have meant, with a few things in it that are odd. */
function near(body: object, spots: readonly Place[], wrong: typeof flaws): fc.Arbitrary<string> {
  const change = fc.oneof(
    fc.tuple(fc.constantFrom(...spots), oddValue),
    fc.tuple(
      oddText.map((name) => [name]),
      oddValue,
    ),
  );
  const changed: fc.Arbitrary<Changed> = fc.record({
    stream: fc.boolean(),
    changes: fc
      .tuple(fc.array(change, { maxLength: 4 }), fc.option(fc.constantFrom(...wrong), { freq: 9 }))
      .map(([changes, flaw]) => (flaw === null ? changes : [...changes, flaw])),
  });
  return changed.map(({ stream, changes }) => {
    const changedBody = { ...structuredClone(body), stream };
    for (const [place, value] of changes) put(changedBody, place, value);
    return JSON.stringify(changedBody);
  });
}

const nearTheSchema = near({ model: 'bellwether', messages: [{ role: 'user', content: 'Hello' }] }, places, flaws);

const nearResponses = near(
  { model: 'bellwether', input: [{ type: 'message', role: 'user', content: 'Hello' }] },
  placesOfResponses,
  flawsOfResponses,
);

function put(root: object, place: Place, value: unknown): void {
  let parent = root as Record<string | number, unknown>;
  for (const step of place.slice(0, -1)) {
    const next = parent[step];
    if (typeof next !== 'object' || next === null || Object.isFrozen(next)) parent[step] = {};
    parent = parent[step] as typeof parent;
  }
  const last = place.at(-1) ?? '';
  if (value === undefined) delete parent[last];
  // A field of that name, as JSON has it, and no prototype; of its own, as the next change may go into it.
  else
    Object.defineProperty(parent, last, {
      value: structuredClone(value),
      enumerable: true,
      configurable: true,
      writable: true,
    });
}

const whole = '{"model":"bellwether","messages":[{"role":"user","content":"Größe 👋"}],"n":2}';

/** Bodies that no serializer writes. */
const handMade: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(
    '',
    'null',
    '[]',
    '"text"',
    'NaN',
    '{"a":1,}',
    "{'model':'x'}",
    '{"model":Infinity}',
    '{"max_tokens":1e999,"model":"bellwether"}',
    '{"seed":123456789012345678901234567890}',
    '{"model":"\\ud800","messages":[]}',
    '{"model":"a","model":"b","messages":[],"messages":7}',
    '{"__proto__":{"model":"bellwether"}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '{"model":"bellwether","messages":[{"role":"user","__proto__":{"content":"x"}}]}',
    `\ufeff${whole}`,
    `${whole}${whole}`,
    `/* x */${whole}`,
    whole.replaceAll('"', '\\"'),
  ),
  fc.integer({ min: 0, max: whole.length }).map((length) => whole.slice(0, length)),
  fc
    .tuple(fc.integer({ min: 0, max: whole.length }), oddText)
    .map(([at, text]) => whole.slice(0, at) + text + whole.slice(at)),
  fc.integer({ min: 50, max: 30_000 }).map((depth) => `{"messages":${'['.repeat(depth)}${']'.repeat(depth)}}`),
  fc.integer({ min: 50, max: 10_000 }).map((depth) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`),
  oddText,
);

const wholeBytes = Buffer.from(whole);

/** Bytes that are no text, and texts that are cut within a character. */
const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.integer({ min: 0, max: wholeBytes.length }).map((length) => wholeBytes.subarray(0, length)),
  fc.uint8Array({ maxLength: 60 }),
  fc
    .tuple(fc.nat(wholeBytes.length - 1), fc.integer({ min: 0x80, max: 0xff }))
    .map(([at, byte]) => wholeBytes.map((each, index) => (index === at ? byte : each))),
);

function odd(nearest: fc.Arbitrary<string>): fc.Arbitrary<string | Uint8Array> {
  return fc.oneof(
    { weight: 7, arbitrary: nearest },
    { weight: 3, arbitrary: handMade },
    { weight: 1, arbitrary: bytes },
  );
}

export const oddBody = odd(nearTheSchema);
export const oddResponseBody = odd(nearResponses);
