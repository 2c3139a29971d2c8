import { parseJson } from './response-schemas';

export interface ReceivedEvent {
  /** '' if the provider gave none. */
  readonly name: string;
  readonly data: string;
  /** The data as JSON; undefined if it is not JSON. */
  readonly json: unknown;
}

/**
 * Reads server-sent events, also from providers that separate them by a single line break or send bare JSON: data that is
 * a complete object is an event at once, without waiting for the empty line.
 */
export class EventParser {
  private line = '';
  /** The last character was CR, so that LF belongs to it. */
  private isAfterReturn = false;
  private name = '';
  private data: string[] = [];
  /** The lines so far are an incomplete JSON document. */
  private isWithinJson = false;
  private dataLength = 0;

  constructor(
    private readonly maxLength: number,
    private readonly onEvent: (event: ReceivedEvent) => void,
    private readonly onTooLong: () => void,
  ) {}

  feed(text: string): void {
    let start = 0;
    for (let index = 0; index < text.length; index += 1) {
      const unit = text.charCodeAt(index);
      if (unit !== lineFeed && unit !== carriageReturn) {
        this.isAfterReturn = false;
        continue;
      }
      if (unit === carriageReturn || !this.isAfterReturn) this.endLine(text.slice(start, index));
      this.isAfterReturn = unit === carriageReturn;
      start = index + 1;
    }
    this.line += text.slice(start);
    if (this.line.length + this.dataLength > this.maxLength) this.onTooLong();
  }

  /** The last event may lack its line break, or the empty line after it. */
  end(): void {
    this.endLine('');
    this.dispatch();
  }

  private endLine(end: string): void {
    const line = this.line + end;
    this.line = '';
    if (line.trim() === '') {
      this.dispatch();
      this.name = '';
    } else if (line.startsWith('{') || line === doneMark) this.takeData(line);
    else this.takeField(line);
  }

  private takeField(line: string): void {
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.takeData(value);
    else if (field === 'event') {
      this.dispatch();
      this.name = value.trim();
    }
  }

  private takeData(value: string): void {
    const isWhole = value.trim() === doneMark || value.trimStart().startsWith('{');
    if (isWhole && !this.isWithinJson) {
      const json = parseJson(value);
      if (json !== undefined || value.trim() === doneMark) {
        this.dispatch();
        this.onEvent({ name: this.name, data: value.trim(), json });
        return;
      }
    }
    const kept = this.data.length === 0 ? value.trimStart() : value;
    if (this.data.length === 0) {
      if (kept === '') return;
      this.isWithinJson = kept.startsWith('{') || kept.startsWith('[');
    }
    this.data.push(kept);
    this.dataLength += kept.length;
  }

  private dispatch(): void {
    if (this.data.length === 0) return;
    const data = this.data.join('\n').trim();
    this.data = [];
    this.isWithinJson = false;
    this.dataLength = 0;
    this.onEvent({ name: this.name, data, json: parseJson(data) });
  }
}

export const doneMark = '[DONE]';

const lineFeed = 10;
const carriageReturn = 13;
