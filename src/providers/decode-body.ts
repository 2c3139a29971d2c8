import type { Transform } from 'node:stream';
import { constants, createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from 'node:zlib';
import type { Dispatcher } from 'undici';
import { firstValue, type ResponseHeaders } from './retry-after';

interface DecodedBody {
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(): void;
}

/**
 * Decompresses a body that was compressed although we did not ask for it, and passes on all others unchanged. The reader
 * counts the decompressed bytes, so a small body that expands into a large one is aborted at the same limit.
 */
export class BodyDecoder {
  private encoding = '';
  private hasBegun = false;
  private stream: Transform | null = null;

  constructor(private readonly body: DecodedBody) {}

  begin(headers: ResponseHeaders): void {
    this.encoding = firstValue(headers['content-encoding'])?.trim().toLowerCase() ?? '';
  }

  write(chunk: Buffer, controller: Dispatcher.DispatchController): void {
    const [firstByte] = chunk;
    if (firstByte === undefined) return;
    if (!this.hasBegun) this.stream = this.start(firstByte, controller);
    this.hasBegun = true;
    if (this.stream === null) this.body.onData(chunk);
    else if (!this.stream.write(chunk)) controller.pause();
  }

  end(): void {
    if (this.stream === null) this.body.onEnd();
    else this.stream.end();
  }

  close(): void {
    this.stream?.destroy();
  }

  private start(firstByte: number, controller: Dispatcher.DispatchController): Transform | null {
    const stream = decompressor(this.encoding, firstByte);
    stream?.on('data', (chunk: Buffer) => this.body.onData(chunk));
    stream?.on('drain', () => controller.resume());
    stream?.on('end', () => this.body.onEnd());
    stream?.on('error', () => this.body.onError());
    return stream;
  }
}

/** Gzip always starts with this byte and text never does, so it is recognized whatever the headers say. */
const gzipFirstByte = 0x1f;
const deflateMethod = 8;

function decompressor(encoding: string, firstByte: number): Transform | null {
  if (firstByte === gzipFirstByte) return createGunzip({ finishFlush: constants.Z_SYNC_FLUSH });
  switch (encoding) {
    case 'br':
      return createBrotliDecompress({ finishFlush: constants.BROTLI_OPERATION_FLUSH });
    case 'deflate': {
      // With the zlib header that the standard requires, or without it.
      const create = (firstByte & 0x0f) === deflateMethod ? createInflate : createInflateRaw;
      return create({ finishFlush: constants.Z_SYNC_FLUSH });
    }
    default:
      return null;
  }
}
