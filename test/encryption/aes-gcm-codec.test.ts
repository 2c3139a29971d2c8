import { createDecipheriv, randomBytes } from 'node:crypto';
import { defaultPayloadConverter, type Payload, type SerializationContext } from '@temporalio/common';
import { decode as decodeUtf8, encode as encodeUtf8 } from '@temporalio/common/lib/encoding';
import { temporal } from '@temporalio/proto';
import * as fc from 'fast-check';
import { createPayloadCodec, PayloadDecryptionError } from '../../src/encryption/aes-gcm-codec';

const firstKey = randomBytes(32);
const secondKey = randomBytes(32);
const codec = createPayloadCodec({ activeKeyId: 'first', keys: new Map([['first', firstKey]]) });

const { Payload: PayloadMessage } = temporal.api.common.v1;

/** Payloads compare by their wire bytes: protobuf's objects differ in prototypes and absent fields. */
function wireBytes(payload: Payload | undefined): string {
  return Buffer.from(PayloadMessage.encode(payload ?? {}).finish()).toString('hex');
}

function toPayload(value: unknown): Payload {
  return defaultPayloadConverter.toPayload(value);
}

async function encodeOne(payload: Payload, by = codec): Promise<Payload> {
  const [encoded] = await by.encode([payload]);
  if (encoded === undefined) throw new Error('encode returned nothing');
  return encoded;
}

async function decryptionError(payload: Payload, by = codec): Promise<PayloadDecryptionError> {
  const error: unknown = await by.decode([payload]).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(PayloadDecryptionError);
  return error as PayloadDecryptionError;
}

describe('what Temporal receives', () => {
  test('an encrypted payload says so, names its key and contains no plain text', async () => {
    const encoded = await encodeOne(toPayload({ content: 'a secret wish' }));
    expect(decodeUtf8(encoded.metadata!.encoding!)).toBe('binary/encrypted');
    expect(decodeUtf8(encoded.metadata!['encryption-key-id']!)).toBe('first');
    expect(Object.keys(encoded.metadata!)).toHaveLength(2);
    expect(Buffer.from(PayloadMessage.encode(encoded).finish()).includes('secret')).toBe(false);
  });

  test('the same text is never encrypted twice in the same way', async () => {
    const payload = toPayload('hello');
    const encoded = await codec.encode(Array.from({ length: 1_000 }, () => payload));
    expect(new Set(encoded.map((one) => Buffer.from(one.data!.subarray(0, 12)).toString('hex'))).size).toBe(1_000);
    expect(new Set(encoded.map(wireBytes)).size).toBe(1_000);
  });

  test('an encrypted payload is at most 128 bytes longer than the text', async () => {
    const payload = toPayload('hello');
    const encoded = await encodeOne(payload);
    expect(PayloadMessage.encode(encoded).finish().length - payload.data!.length).toBeLessThanOrEqual(128);
  });
});

describe('round trips', () => {
  test('any payloads come back byte for byte and in order', async () => {
    const anyPayload = fc
      .record({
        metadata: fc.dictionary(fc.string({ minLength: 1 }), fc.uint8Array({ maxLength: 40 })),
        data: fc.uint8Array({ maxLength: 2_000 }),
      })
      // A metadata entry named __proto__ cannot be told from a prototype in a plain object.
      .filter(({ metadata }) => !Object.keys(metadata).includes('__proto__'));
    await fc.assert(
      fc.asyncProperty(fc.array(anyPayload, { maxLength: 5 }), async (payloads) => {
        const decoded = await codec.decode(await codec.encode(payloads));
        expect(decoded.map(wireBytes)).toEqual(payloads.map(wireBytes));
      }),
    );
  });

  test('any JSON value comes back through the payload converter', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const [decoded] = await codec.decode([await encodeOne(toPayload(value))]);
        // JSON has no negative zero.
        expect(defaultPayloadConverter.fromPayload(decoded!)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('2 MB, Temporal’s maximum, comes back complete', async () => {
    const data = randomBytes(2 * 1024 * 1024);
    const [decoded] = await codec.decode([
      await encodeOne({ metadata: { encoding: encodeUtf8('binary/plain') }, data }),
    ]);
    expect(Buffer.from(decoded!.data!).equals(data)).toBe(true);
  });

  test('undefined and empty payloads come back', async () => {
    const payloads = [toPayload(undefined), {}];
    expect((await codec.decode(await codec.encode(payloads))).map(wireBytes)).toEqual(payloads.map(wireBytes));
    expect(await codec.encode([])).toEqual([]);
    expect(await codec.decode([])).toEqual([]);
  });
});

describe('turning encryption on and rotating keys', () => {
  test('a payload from before encryption was turned on passes unchanged', async () => {
    const plain = toPayload({ content: 'from before' });
    const encrypted = await encodeOne(toPayload('from now'));
    const decoded = await codec.decode([plain, encrypted, {}]);
    expect(decoded[0]).toBe(plain);
    expect(defaultPayloadConverter.fromPayload(decoded[1]!)).toBe('from now');
    expect(decoded[2]).toEqual({});
  });

  test('after a rotation, old payloads can be read and new ones use the new key', async () => {
    const old = await encodeOne(toPayload('old'));
    const rotated = createPayloadCodec({
      activeKeyId: 'second',
      keys: new Map([
        ['first', firstKey],
        ['second', secondKey],
      ]),
    });
    const fresh = await encodeOne(toPayload('fresh'), rotated);
    expect(decodeUtf8(fresh.metadata!['encryption-key-id']!)).toBe('second');
    const decoded = await rotated.decode([old, fresh]);
    expect(decoded.map((payload) => defaultPayloadConverter.fromPayload(payload))).toEqual(['old', 'fresh']);
  });

  test('the error for a payload with an unknown key names the key and says what to do', async () => {
    const other = createPayloadCodec({ activeKeyId: 'second', keys: new Map([['second', secondKey]]) });
    const error = await decryptionError(await encodeOne(toPayload('text')), other);
    expect(error.reason).toBe('unknown-key');
    expect(error.message).toMatch(/"first".*Add that key/);
  });
});

describe('what must not be decrypted', () => {
  test('a change of any one byte is detected', async () => {
    const encoded = await encodeOne(toPayload('some text'));
    for (let index = 0; index < encoded.data!.length; index += 1) {
      const data = Uint8Array.from(encoded.data!);
      data[index]! ^= 1 + (index % 255);
      const error = await decryptionError({ ...encoded, data });
      expect(error.reason).toBe('tampered');
      expect(error.message).toContain('"first"');
      expect(error.message).not.toContain('some text');
    }
    expect.assertions(4 * encoded.data!.length);
  });

  test('truncated or extended data is detected', async () => {
    const encoded = await encodeOne(toPayload('some text'));
    for (let length = 0; length < encoded.data!.length; length += 1) {
      const error = await decryptionError({ ...encoded, data: encoded.data!.subarray(0, length) });
      expect(error.reason).toBe(length < 28 ? 'malformed' : 'tampered');
    }
    const longer = Buffer.concat([encoded.data!, Buffer.alloc(1)]);
    expect((await decryptionError({ ...encoded, data: longer })).reason).toBe('tampered');
  });

  test('a payload under another key id cannot be decrypted, even if both ids have the same key', async () => {
    const same = createPayloadCodec({
      activeKeyId: 'first',
      keys: new Map([
        ['first', firstKey],
        ['alias', firstKey],
      ]),
    });
    const encoded = await encodeOne(toPayload('text'), same);
    const moved = { ...encoded, metadata: { ...encoded.metadata, 'encryption-key-id': encodeUtf8('alias') } };
    expect((await decryptionError(moved, same)).reason).toBe('tampered');
  });

  test('a payload of another codec is distinguished from a broken one', async () => {
    const foreign = { metadata: { encoding: encodeUtf8('binary/encrypted') }, data: randomBytes(64) };
    const error = await decryptionError(foreign);
    expect(error.reason).toBe('malformed');
    expect(error.message).toMatch(/different codec/);
  });

  test('no error contains the key', async () => {
    const encoded = await encodeOne(toPayload('text'));
    const wrongKey = createPayloadCodec({ activeKeyId: 'first', keys: new Map([['first', secondKey]]) });
    const error = await decryptionError(encoded, wrongKey);
    for (const key of [firstKey, secondKey]) {
      for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const) {
        expect(`${error.message}${error.stack}`).not.toContain(key.toString(form));
      }
    }
  });
});

const inWorkflow = (workflowId: string, namespace = 'default') =>
  ({ type: 'workflow', namespace, workflowId }) as const;

describe('where a payload belongs', () => {
  async function moved(from: SerializationContext, to: SerializationContext): Promise<unknown> {
    const encoded = await codec.encode([toPayload('text')], from);
    return codec.decode(encoded, to).catch((error: unknown) => (error as PayloadDecryptionError).reason);
  }

  test('it is decrypted in its workflow and its activities, as it was', async () => {
    const payload = toPayload('text');
    const encoded = await codec.encode([payload], inWorkflow('turn/1'));
    const activity = { type: 'activity', namespace: 'default', workflowId: 'turn/1', isLocal: true } as const;
    for (const context of [inWorkflow('turn/1'), activity, undefined]) {
      expect((await codec.decode(encoded, context)).map(wireBytes)).toEqual([wireBytes(payload)]);
    }
  });

  test('it is refused in another workflow or namespace, and the error names both', async () => {
    expect(await moved(inWorkflow('turn/1'), inWorkflow('turn/2'))).toBe('moved');
    expect(await moved(inWorkflow('turn/1'), inWorkflow('turn/1', 'other'))).toBe('moved');
    const encoded = await codec.encode([toPayload('text')], inWorkflow('turn/1'));
    await expect(codec.decode(encoded, inWorkflow('turn/2'))).rejects.toThrow(
      'for default, turn/1, but it is in default, turn/2',
    );
  });

  test('what was encrypted for a namespace alone, as by the codec endpoint, is refused in another one only', async () => {
    const namespaceOnly = { type: 'activity', namespace: 'default', isLocal: false } as const;
    expect(await moved(namespaceOnly, inWorkflow('turn/1', 'other'))).toBe('moved');
    expect(await moved(namespaceOnly, inWorkflow('turn/1'))).toEqual([
      expect.objectContaining({ data: toPayload('text').data }),
    ]);
    expect(await moved(inWorkflow('turn/1'), { ...namespaceOnly, namespace: 'other' })).toBe('moved');
  });

  test('payloads of an older version belong nowhere and can be decrypted everywhere', async () => {
    const old = await codec.encode([toPayload('old')]);
    const [decoded] = await codec.decode(old, inWorkflow('turn/1'));
    expect(defaultPayloadConverter.fromPayload(decoded!)).toBe('old');
  });

  test('an older version can decrypt what this one encrypts', async () => {
    const [encoded] = await codec.encode([toPayload('new')], inWorkflow('turn/1'));
    const key = createDecipheriv('aes-256-gcm', firstKey, encoded!.data!.subarray(0, 12));
    key.setAAD(encodeUtf8('binary/encrypted\naes-256-gcm\nfirst'));
    key.setAuthTag(encoded!.data!.subarray(-16));
    const inner = Buffer.concat([key.update(encoded!.data!.subarray(12, -16)), key.final()]);
    expect(defaultPayloadConverter.fromPayload(PayloadMessage.decode(inner))).toBe('new');
  });
});

describe('strict settings', () => {
  const strict = createPayloadCodec({ activeKeyId: 'first', keys: new Map([['first', firstKey]]), strict: true });

  test('refuse what is not encrypted, and say where it is and what to do', async () => {
    for (const payload of [toPayload('secret wish'), {}]) {
      const error = await decryptionError(payload, strict);
      expect(error.reason).toBe('plain');
      expect(error.message).not.toContain('secret');
    }
    const decoding = strict.decode([toPayload('text')], inWorkflow('turn/1'));
    await expect(decoding).rejects.toThrow(/^A payload in default, turn\/1 is not encrypted.*turn strict off until/);
  });

  test('decrypt all that is encrypted', async () => {
    const encoded = await codec.encode([toPayload('text')]);
    expect(await strict.decode(encoded)).toHaveLength(1);
  });
});

describe('invalid settings', () => {
  test('a key of the wrong length is refused with its id and the command that makes a right one', () => {
    const settings = { activeKeyId: 'short', keys: new Map([['short', randomBytes(16)]]) };
    expect(() => createPayloadCodec(settings)).toThrow(/"short" has 16 bytes.*openssl rand/);
  });

  test('an active key that is not configured is refused, and the error lists the configured ids', () => {
    const settings = { activeKeyId: 'gone', keys: new Map([['first', firstKey]]) };
    expect(() => createPayloadCodec(settings)).toThrow(/"gone".*configured: first/);
  });
});
