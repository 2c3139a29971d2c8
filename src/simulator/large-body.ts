import type { ServerResponse } from 'node:http';
import { jsonType, streamType } from './content-types';

interface LargeBody {
  readonly contentType: string;
  readonly opening: string;
  readonly padding: Buffer;
  readonly closing: string;
}

const letters = 'a'.repeat(64 * 1024);

export const largeJson: LargeBody = {
  contentType: jsonType,
  opening: '{"choices":[{"message":{"content":"',
  padding: Buffer.from(letters),
  closing: '"}}]}',
};

export const largeStream: LargeBody = {
  contentType: streamType,
  opening: '',
  padding: Buffer.from(`data: {"choices":[{"index":0,"delta":{"content":"${letters}"}}]}\n\n`),
  closing: 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
};

/** `bytes` rounded up to whole paddings, as fast as the client reads. */
export function sendLarge(response: ServerResponse, bytes: number, large: LargeBody): void {
  response.writeHead(200, { 'content-type': large.contentType });
  response.write(large.opening);
  let left = bytes;
  const writeMore = (): void => {
    while (left > 0 && !response.destroyed) {
      left -= large.padding.length;
      if (!response.write(large.padding)) {
        response.once('drain', writeMore);
        return;
      }
    }
    response.end(large.closing);
  };
  writeMore();
}
