import { deflateRawSync } from 'node:zlib';
import type { CompressedShare } from '../domain/turn/answer-flags';

/** Called with some kilobytes at most, for which its fastest level takes a fraction of a millisecond. */
export const deflateShare: CompressedShare = (text) => {
  const bytes = Buffer.from(text);
  return bytes.length === 0 ? 1 : deflateRawSync(bytes, { level: 1 }).length / bytes.length;
};
