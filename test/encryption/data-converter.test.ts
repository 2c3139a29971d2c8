import { randomBytes } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import {
  decodeFromPayloadsAtIndex,
  decodeOptionalFailureToOptionalError,
  encodeErrorToFailure,
  encodeToPayloads,
} from '@temporalio/common/lib/internal-non-workflow/codec-helpers';
import { loadDataConverter } from '@temporalio/common/lib/internal-non-workflow/data-converter-helpers';
import { temporal } from '@temporalio/proto';
import { createDataConverter } from '../../src/encryption/data-converter';

const settings = { activeKeyId: 'first', keys: new Map([['first', randomBytes(32)]]) };
const encrypting = loadDataConverter(createDataConverter(settings));

test('arguments are encrypted by Temporal’s data conversion and come back', async () => {
  const input = { turnId: 'turn-1', content: '你好 secret wish' };
  const payloads = await encodeToPayloads(encrypting, input, 7);
  const wire = temporal.api.common.v1.Payloads.encode({ payloads: payloads ?? [] }).finish();
  expect(Buffer.from(wire).includes('secret')).toBe(false);
  const received = temporal.api.common.v1.Payloads.decode(wire).payloads;
  expect(await decodeFromPayloadsAtIndex(encrypting, 0, received)).toEqual(input);
  expect(await decodeFromPayloadsAtIndex(encrypting, 1, received)).toBe(7);
});

test('messages, stack traces and details of failures are encrypted and come back', async () => {
  const cause = new Error('secret cause');
  const error = ApplicationFailure.create({ message: 'secret wish', details: ['secret detail'], cause });
  const failure = await encodeErrorToFailure(encrypting, error);
  const wire = temporal.api.failure.v1.Failure.encode(failure).finish();
  expect(Buffer.from(wire).includes('secret')).toBe(false);
  const received = temporal.api.failure.v1.Failure.decode(wire);
  const decoded = await decodeOptionalFailureToOptionalError(encrypting, received);
  expect(decoded).toMatchObject({ message: 'secret wish', details: ['secret detail'] });
  expect(decoded?.cause).toMatchObject({ message: 'secret cause' });
});

test('without encryption, the data converter is Temporal’s default', async () => {
  const plain = loadDataConverter(createDataConverter(undefined));
  expect(plain.payloadCodecs).toEqual([]);
  const payloads = await encodeToPayloads(plain, 'open');
  expect(Buffer.from(payloads?.[0]?.data ?? []).toString()).toBe('"open"');
});
