import type { DataConverter } from '@temporalio/common';
import type { EncryptionSettings } from '../config/settings';
import { createPayloadCodec } from './aes-gcm-codec';

/**
 * The data converter for all clients and workers of a namespace: without encryption, Temporal's default. With encryption,
 * payloads are encrypted, and so are the messages and stack traces of failures from clients and activities. The workflow
 * bundle has its own converter, which does not encrypt, so errors thrown by workflow code must not contain user text.
 */
export function createDataConverter(encryption: EncryptionSettings | undefined): DataConverter {
  if (encryption === undefined) return {};
  return {
    payloadCodecs: [createPayloadCodec(encryption)],
    failureConverterPath: require.resolve('./encrypting-failure-converter'),
  };
}
