import type { BodyReader, ExchangeControl } from './exchange';
import { parseJson } from './response-schemas';

/** Reads a body whose JSON is there only when all of it is. */
export class JsonReader implements BodyReader {
  readonly isWhole = false;
  private readonly chunks: Buffer[] = [];
  private receivedBytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly control: ExchangeControl,
  ) {}

  onSent(): void {}

  onHead(): void {}

  onData(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    if (this.receivedBytes > this.maxBytes) this.control.breakOff({ kind: 'too-large' });
    else this.chunks.push(chunk);
  }

  end(): { readonly body: unknown } {
    return { body: parseJson(Buffer.concat(this.chunks).toString('utf8')) };
  }

  close(): void {}
}
