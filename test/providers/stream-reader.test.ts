import * as fc from 'fast-check';
import type { FailureCause } from '../../src/providers/exchange';
import { StreamReader } from '../../src/providers/stream-reader';

const limits = { firstByteMs: 100, firstTokenMs: 300, idleMs: 200, totalMs: 0 };
const graceMs = 1_000;

/** A reader, and what it did to its exchange. */
function startReader({
  contentType = 'text/event-stream',
  status = 200,
  maxBytes = 100_000,
  streamLimits = limits,
} = {}) {
  const heard: string[] = [];
  const ends: (FailureCause | { body: unknown })[] = [];
  const end = (result: FailureCause | { body: unknown }): void => {
    ends.push(result);
    reader.close();
  };
  const stream = { limits: streamLimits, onText: (text: string) => heard.push(text) };
  const reader: StreamReader = new StreamReader(stream, maxBytes, {
    finish: () => end(reader.end()),
    abort: (cause) => end(cause),
  });
  reader.onSent();
  const open = (): void => reader.onHead({ status, headers: { 'content-type': contentType } });
  return {
    heard,
    ends,
    open,
    send: (text: string | Uint8Array) => {
      if (ends.length === 0) reader.onData(Buffer.from(text));
    },
    /** The server ends the body. */
    close: () => {
      if (ends.length === 0) end(reader.end());
    },
    get isWhole() {
      return reader.isWhole;
    },
  };
}

function opened(options: Parameters<typeof startReader>[0] = {}) {
  const reader = startReader(options);
  reader.open();
  return reader;
}

/** Jest runs what a due timer puts off a millisecond later. */
function passTime(ms: number): void {
  jest.advanceTimersByTime(ms);
  jest.advanceTimersByTime(1);
}

function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function delta(change: object, finishReason: string | null = null): string {
  return event({ model: 'm-1', choices: [{ index: 0, delta: change, finish_reason: finishReason }] });
}

const finish = delta({}, 'stop');
const usage = event({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } });
const done = 'data: [DONE]\n\n';

const hello = {
  body: {
    model: 'm-1',
    choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 2 },
  },
};

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('an answer is the same', () => {
  test('however its bytes were cut', () => {
    const text = 'Über 30 Tage: 您可以退货 🐑\r\n"quoted"';
    const wire = Buffer.from(
      [delta({ role: 'assistant', content: '' }), ...Array.from(text, (content) => delta({ content }))].join('') +
        `: a comment\n\n${finish}${usage}${done}`,
    );
    fc.assert(
      fc.property(fc.array(fc.nat(wire.length), { maxLength: 40 }), (cuts) => {
        const reader = opened();
        const places = [0, ...cuts.toSorted((a, b) => a - b), wire.length];
        places.forEach((place, index) => reader.send(wire.subarray(place, places[index + 1])));
        expect(reader.heard.join('')).toBe(text);
        expect(reader.ends).toMatchObject([{ body: { choices: [{ message: { content: text } }] } }]);
        expect(jest.getTimerCount()).toBe(0);
      }),
    );
  });

  test.each([
    ['CR LF ends its lines', (wire: string) => wire.replaceAll('\n', '\r\n')],
    ['no space stands after the colon', (wire: string) => wire.replaceAll('data: ', 'data:')],
    ['its events have ids and names', (wire: string) => wire.replaceAll('data: ', 'id: 7\nevent: message\ndata: ')],
    [
      'empty events and comments stand between',
      (wire: string) => wire.replaceAll('data: ', ': ping\n\ndata: \n\ndata: '),
    ],
  ])('when %s', (_case, change) => {
    const reader = opened();
    reader.send(change(delta({ content: 'Hel' }) + delta({ content: 'lo' }) + finish + usage + done));
    expect(reader.ends).toEqual([hello]);
  });

  test('when an empty finish reason stands in every chunk', () => {
    const reader = opened();
    reader.send(delta({ content: 'Hel' }, '') + delta({ content: 'lo' }, '') + finish + usage);
    expect(reader.ends).toEqual([hello]);
  });

  test('when the last event lacks its empty line', () => {
    const reader = opened();
    reader.send(delta({ content: 'Hello' }) + usage + finish.trimEnd());
    reader.close();
    expect(reader.ends).toEqual([hello]);
  });

  test.each(['', 'text/plain', 'application/octet-stream'])('when its content type is "%s"', (contentType) => {
    const reader = opened({ contentType });
    reader.send(delta({ content: 'Hello' }) + finish + usage + done);
    expect(reader.ends).toEqual([hello]);
  });

  test.each([{}, '', [], null, 'none'])('when %j stands for a usage before the usage, and after it', (empty) => {
    const nothing = event({ choices: [], usage: empty });
    const reader = opened();
    reader.send(nothing + delta({ content: 'Hello' }) + usage + nothing + finish + nothing + done);
    expect(reader.ends).toEqual([hello]);
  });

  test('when other choices come with it', () => {
    const other = event({ choices: [{ index: 1, delta: { content: 'Bye' }, finish_reason: 'length' }] });
    const reader = opened();
    reader.send(other + delta({ content: 'Hello' }) + other + finish + usage);
    expect(reader.ends).toEqual([hello]);
    expect(reader.heard).toEqual(['Hello']);
  });
});

describe('after the finish reason a stream ends', () => {
  test('at its usage', () => {
    const reader = opened();
    reader.send(delta({ content: 'Hello' }) + finish + usage);
    expect(reader.ends).toEqual([hello]);
  });

  test('at [DONE], with the usage that came before it', () => {
    const withUsage = event({
      choices: [{ delta: {}, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 2 },
    });
    const reader = opened();
    reader.send(delta({ content: 'Hello' }) + withUsage);
    expect(reader.ends).toEqual([]);
    reader.send(done);
    expect(reader.ends).toEqual([hello]);
  });

  test('at [DONE] and the usage that comes after it', () => {
    const reader = opened();
    reader.send(delta({ content: 'Hello' }) + finish + done);
    expect(reader.ends).toEqual([]);
    reader.send(usage);
    expect(reader.ends).toEqual([hello]);
  });

  test('a second after [DONE], when no usage comes', () => {
    const reader = opened();
    reader.send(delta({ content: 'Hello' }) + done);
    jest.advanceTimersByTime(graceMs - 1);
    expect(reader.ends).toEqual([]);
    passTime(1);
    expect(reader.ends).toMatchObject([{ body: { choices: [{ message: { content: 'Hello' } }] } }]);
  });

  test('when nothing comes for as long as the next text may take, if the reason came beside text', () => {
    const reader = opened();
    reader.send(delta({ content: 'Hello' }, 'stop'));
    jest.advanceTimersByTime(limits.idleMs - 1);
    expect(reader.ends).toEqual([]);
    passTime(1);
    expect(reader.ends).toMatchObject([{ body: { choices: hello.body.choices } }]);
  });

  test('not by silence, if earlier reasons were followed by text', () => {
    const reader = opened();
    reader.send(delta({ content: 'One, ' }, 'stop') + delta({ content: 'two, ' }, 'stop'));
    passTime(limits.idleMs);
    expect(reader.ends).toEqual([{ kind: 'stalled', limit: 'idleMs', limitMs: 200 }]);
  });

  test('when the server closes', () => {
    const reader = opened();
    reader.send(delta({ content: 'Hello' }) + finish);
    reader.close();
    expect(reader.ends).toMatchObject([{ body: { choices: hello.body.choices, usage: null } }]);
  });

  test('when nothing comes for a second', () => {
    const reader = opened();
    reader.send(delta({ content: 'Hello' }) + finish);
    jest.advanceTimersByTime(graceMs - 1);
    expect(reader.ends).toEqual([]);
    passTime(1);
    expect(reader.ends).toMatchObject([{ body: { choices: hello.body.choices } }]);
  });

  test.each([
    ['what cannot be read', 'data: {"cho\n\n'],
    ['an error', event({ error: { message: 'too late' } })],
  ])('when %s follows', (_case, text) => {
    const reader = opened();
    reader.send(delta({ content: 'Hello' }) + finish + text);
    expect(reader.ends).toMatchObject([{ body: { choices: hello.body.choices } }]);
  });
});

describe('a finish reason that comes with the role', () => {
  const role = delta({ role: 'assistant', content: '' }, 'stop');

  test('ends nothing: the first token may come as late as ever', () => {
    const reader = opened({ streamLimits: { ...limits, firstTokenMs: 3_000 } });
    reader.send(role);
    jest.advanceTimersByTime(2_999);
    expect(reader).toMatchObject({ ends: [], isWhole: false });
    reader.send(delta({ content: 'Hello' }, 'stop') + usage);
    expect(reader.ends).toEqual([hello]);
  });

  test('does not move the limit on the first token', () => {
    const reader = opened();
    jest.advanceTimersByTime(200);
    reader.send(role);
    jest.advanceTimersByTime(99);
    expect(reader.ends).toEqual([]);
    passTime(1);
    expect(reader.ends).toEqual([{ kind: 'stalled', limit: 'firstTokenMs', limitMs: 300 }]);
  });

  test.each(['length', 'content_filter', 'network_error'])('ends the stream if it is %s', (reason) => {
    const reader = opened({ streamLimits: { ...limits, firstTokenMs: 3_000 } });
    reader.send(delta({ role: 'assistant', content: '' }, reason));
    passTime(graceMs);
    expect(reader.ends).toMatchObject([{ body: { choices: [{ finish_reason: reason }] } }]);
  });
});

test('a finish reason beside text makes no answer whole; one that follows it does', () => {
  const reader = opened({ streamLimits: { ...limits, idleMs: 10_000 } });
  reader.send(delta({ content: 'One, ' }, 'stop'));
  expect(reader.isWhole).toBe(false);
  jest.advanceTimersByTime(9_999);
  reader.send(delta({ content: 'two.' }, 'stop'));
  expect(reader).toMatchObject({ ends: [], isWhole: false });
  reader.send(finish);
  expect(reader.isWhole).toBe(true);
});

describe('a limit', () => {
  test('on the first byte holds until the headers come', () => {
    const reader = startReader();
    passTime(limits.firstByteMs);
    expect(reader.ends).toEqual([{ kind: 'stalled', limit: 'firstByteMs', limitMs: 100 }]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test.each([
    ['nothing', ''],
    ['comments', ': PROCESSING\n\n'],
    ['a role', delta({ role: 'assistant', content: '' })],
    ['a chunk without a choice', event({ choices: [] })],
    ['single bytes', 'd'],
  ])('on the first token counts from sending and is not moved by %s', (_case, text) => {
    const reader = startReader();
    jest.advanceTimersByTime(50);
    reader.open();
    for (let passedMs = 50; passedMs < limits.firstTokenMs; passedMs += 50) {
      expect(reader.ends).toEqual([]);
      reader.send(text);
      jest.advanceTimersByTime(50);
    }
    jest.advanceTimersByTime(1);
    expect(reader.ends).toEqual([{ kind: 'stalled', limit: 'firstTokenMs', limitMs: 300 }]);
  });

  test('does not hold against a provider whose bytes wait while this process is busy', () => {
    const reader = opened();
    reader.send(delta({ content: 'Hel' }));
    // After a pause of the process: the timer is due first, then the socket is read.
    jest.advanceTimersByTime(limits.idleMs);
    reader.send(delta({ content: 'lo' }));
    jest.advanceTimersByTime(limits.idleMs - 1);
    expect(reader.ends).toEqual([]);
    expect(reader.heard).toEqual(['Hel', 'lo']);
  });

  test('on the first token holds for plain JSON, too', () => {
    const reader = opened({ contentType: 'application/json' });
    reader.send('{');
    passTime(limits.firstTokenMs);
    expect(reader.ends).toMatchObject([{ kind: 'stalled', limit: 'firstTokenMs' }]);
  });

  test.each([
    ['comments', ': PROCESSING\n\n'],
    ['empty deltas', delta({ content: '' })],
    ['single bytes', 'd'],
  ])('on silence is not moved by %s', (_case, text) => {
    const reader = opened();
    reader.send(delta({ content: 'Hel' }));
    for (let passedMs = 0; passedMs < limits.idleMs; passedMs += 50) {
      expect(reader.ends).toEqual([]);
      reader.send(text);
      jest.advanceTimersByTime(50);
    }
    jest.advanceTimersByTime(1);
    expect(reader.ends).toEqual([{ kind: 'stalled', limit: 'idleMs', limitMs: 200 }]);
  });

  test.each([
    ['text', { content: 'a' }],
    ['thoughts', { reasoning_content: 'hm' }],
    ['thoughts by another name', { content: '', reasoning: 'hm' }],
    ['tool calls', { tool_calls: [{ index: 0, function: { arguments: ' ' } }] }],
  ])('is moved by %s', (_case, change) => {
    const reader = opened();
    jest.advanceTimersByTime(limits.firstTokenMs - 1);
    for (let count = 0; count < 10; count += 1) {
      reader.send(delta(change));
      jest.advanceTimersByTime(limits.idleMs - 1);
    }
    expect(reader.ends).toEqual([]);
  });
});

describe('a stream is broken', () => {
  test.each([
    ['it ends before a finish reason', delta({ content: 'Hel' }), { kind: 'truncated' }],
    ['it ends within an event', delta({ content: 'Hel' }) + finish.slice(0, 20), { kind: 'truncated' }],
    ['nothing comes at all', '', { kind: 'truncated' }],
    ['[DONE] comes before any text', delta({ role: 'assistant', content: '' }) + done, { kind: 'truncated' }],
    ['an event is no JSON', delta({ content: 'Hel' }) + 'data: {"cho\n\n' + finish, { kind: 'malformed-chunk' }],
    ['its text is no text', delta({ content: 7 }) + finish, { kind: 'malformed-chunk' }],
    ['an event is a list', `data: [7]\n\n${finish}`, { kind: 'malformed-chunk' }],
    ['it never had a choice', event({ choices: [] }) + done, { body: undefined }],
  ])('when %s', (_case, text, expected) => {
    const reader = opened();
    reader.send(text);
    reader.close();
    expect(reader.ends).toEqual([expected]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test.each([
    ['an error object', event({ error: { message: 'Sorry.', code: 502 } }), { message: 'Sorry.', code: 502 }],
    ['an error event', 'event: error\ndata: {"message":"Sorry."}\n\n', { message: 'Sorry.' }],
    ['an error event without JSON', 'event: error\ndata: Sorry.\n\n', 'Sorry.'],
  ])('with %s as its body', (_case, text, error) => {
    const reader = opened();
    reader.send(delta({ content: 'Hel' }) + text);
    expect(reader.ends).toEqual([{ body: { error } }]);
  });

  test.each([
    ['its text', delta({ content: 'a'.repeat(600) }).repeat(2)],
    ['its tool calls', delta({ tool_calls: [{ index: 0, function: { arguments: 'a'.repeat(600) } }] }).repeat(2)],
    ['one event', `data: ${'a'.repeat(1_100)}`],
    ['all of it', ': comment\n\n'.repeat(6_000)],
  ])('when %s is too large', (_case, text) => {
    const reader = opened({ maxBytes: 1_000 });
    for (let start = 0; start < text.length; start += 500) reader.send(text.slice(start, start + 500));
    expect(reader.ends).toEqual([{ kind: 'too-large' }]);
  });

  test('but not because the envelopes of its tokens are large', () => {
    const reader = opened({ maxBytes: 1_000 });
    for (let count = 0; count < 500; count += 1) reader.send(delta({ content: 'ab' }));
    expect(reader.ends).toEqual([]);
  });
});

test.each([
  ['text/html', '<html>'],
  ['text/plain', 'It works!'],
])('%s that is no stream has no body', (contentType, text) => {
  const reader = opened({ contentType });
  reader.send(text);
  reader.close();
  expect(reader.ends).toEqual([{ body: undefined }]);
});

describe('tool calls are put together', () => {
  const first = { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } };
  const second = { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } };

  test.each([
    [
      'from parts that alternate',
      [
        [{ index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } }],
        [{ index: 1, id: 'b', type: 'function', function: { name: 'g', arguments: '{' } }],
        [{ index: 0, function: { arguments: '{"x"' } }],
        [
          { index: 1, function: { arguments: '}' } },
          { index: 0, id: '', type: null, function: { name: null, arguments: ':1}' } },
        ],
      ],
    ],
    ['from whole calls without an index', [[first], [second]]],
    ['from whole calls in one delta', [[first, second]]],
    ['from whole calls that all have index 0', [[{ index: 0, ...first }], [{ index: 0, ...second }]]],
    [
      'from parts that repeat id and name',
      [
        [{ index: 0, ...first, function: { name: 'f', arguments: '{"x"' } }],
        [{ index: 0, ...first, function: { name: 'f', arguments: ':1}' } }],
        [{ index: 1, ...second }],
      ],
    ],
  ])('%s', (_case, parts) => {
    const reader = opened();
    for (const tool_calls of parts) reader.send(delta({ tool_calls }));
    reader.send(delta({}, 'tool_calls') + usage);
    expect(reader.ends).toMatchObject([
      { body: { choices: [{ message: { content: null, tool_calls: [first, second] }, finish_reason: 'tool_calls' }] } },
    ]);
    expect(reader.heard).toEqual([]);
  });

  test('with whatever else the provider put there', () => {
    const reader = opened();
    const extra = { extra_content: { google: { thought_signature: 'abc' } } };
    reader.send(delta({ tool_calls: [{ index: 0, function: { name: 'f', arguments: '{}' }, ...extra }] }));
    reader.send(delta({}, 'tool_calls') + usage);
    expect(reader.ends).toMatchObject([{ body: { choices: [{ message: { tool_calls: [extra] } }] } }]);
  });
});
