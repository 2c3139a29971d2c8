import type { DataConverter } from '@temporalio/common';
import type { EncryptionSettings } from '../config/settings';
import { createPayloadCodec } from './aes-gcm-codec';

/**
 * The data converter that every client and every worker of a namespace is given. Without encryption it is Temporal's
 * default. With it, payloads are encrypted, and so are messages and stack traces of failures that clients and
 * activities report; the workflow bundle keeps its own converter, so errors thrown by workflow code hold no user text.
 */
export function createDataConverter(encryption: EncryptionSettings | undefined): DataConverter {
  if (encryption === undefined) return {};
  return {
    payloadCodecs: [createPayloadCodec(encryption)],
    failureConverterPath: require.resolve('./encrypting-failure-converter'),
  };
}
