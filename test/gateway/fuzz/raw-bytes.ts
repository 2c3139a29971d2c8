import * as fc from 'fast-check';

interface Edit {
  /** Where, as a share of the whole. */
  readonly at: number;
  readonly remove: number;
  readonly insert: Uint8Array;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.nat(8),
  insert: fc.oneof(
    fc.uint8Array({ maxLength: 6 }),
    fc
      .constantFrom(
        '\r\n',
        '\r\n\r\n',
        '\n',
        ':',
        ' ',
        '0\r\n\r\n',
        'content-length: 5\r\n',
        'transfer-encoding: chunked\r\n',
      )
      .map((text) => Buffer.from(text)),
  ),
});

const json = '{"model":"gpt-99","messages":[{"role":"user","content":"Größe"}]}';

/** A request as it goes over the line, one character a byte, with a few of them changed. Its model is none, as no client waits for the answer. */
export function editedRequest(key: string): fc.Arbitrary<string> {
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key}\r\ncontent-type: application/json\r\n`;
  const whole = fc.constantFrom(
    `${head}content-length: ${Buffer.byteLength(json)}\r\n\r\n${json}`,
    `${head}transfer-encoding: chunked\r\n\r\n${Buffer.byteLength(json).toString(16)}\r\n${json}\r\n0\r\n\r\n`,
    `GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${key}\r\n\r\n`.repeat(3),
  );
  return fc
    .tuple(whole, fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([text, edits]) => edits.reduce<Uint8Array>(edited, Buffer.from(text)))
    .map((bytes) => Buffer.from(bytes).toString('latin1'));
}

function edited(bytes: Uint8Array, { at, remove, insert }: Edit): Uint8Array {
  const from = Math.floor(at * bytes.length);
  return Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + remove)]);
}
