import { createReadStream } from 'node:fs';
import { CsvError, parse } from 'csv-parse';
import { InvalidInputError } from '../client/errors';

/** A line of a provider's invoice. */
export interface InvoiceLine {
  /** Null if the invoice is not by call. */
  readonly requestId: string | null;
  /** Null if the line has no date: only lines by call need none. */
  readonly day: string | null;
  /** Null like `day`. */
  readonly model: string | null;
  readonly nanoUsd: number;
  /** Half a unit of the amount's last decimal: what rounding can hide. */
  readonly toleranceNanoUsd: number;
}

/** The columns that a line is read from, and the names that providers give them, in lower case. */
const columnNames = {
  requestId: ['request_id', 'x_request_id', 'client_request_id'],
  day: ['date', 'day', 'timestamp', 'time', 'start_time_iso', 'usage_date_utc', 'usage_date'],
  model: ['model', 'model_id', 'model_name', 'line_item'],
  cost: ['cost', 'cost_usd', 'amount', 'amount_usd', 'amount_value', 'usd', 'total'],
  currency: ['currency', 'amount_currency'],
} as const;

export type InvoiceColumn = keyof typeof columnNames;
export const invoiceColumns = Object.keys(columnNames) as readonly InvoiceColumn[];

/** Names of the file's own columns. */
export type OwnColumns = Readonly<Partial<Record<InvoiceColumn, string>>>;

/** Some 500 MB in memory. */
const maxLines = 2_000_000;

/**
 * Reads an invoice: CSV with a header, by call (`request_id`, `cost`) or by day and model (`date`, `model`, `cost`).
 * @throws {InvalidInputError} names the line, the column and what is expected
 */
export async function readInvoice(path: string, own: OwnColumns = {}): Promise<readonly InvoiceLine[]> {
  const parser = parse({ bom: true, trim: true, skip_empty_lines: true, max_record_size: 64 * 1024, info: true });
  const file = createReadStream(path);
  file.on('error', (error) => parser.destroy(error));
  try {
    return await readLines(file.pipe(parser) as AsyncIterable<Entry>, own);
  } catch (error) {
    if (error instanceof CsvError) throw problem(`is not CSV: ${error.message}`);
    throw error;
  } finally {
    file.destroy();
  }
}

/** A record of the file, and on which line it ends. */
interface Entry {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

async function readLines(records: AsyncIterable<Entry>, own: OwnColumns): Promise<readonly InvoiceLine[]> {
  const lines: InvoiceLine[] = [];
  let columns: Columns | null = null;
  for await (const { record, info } of records) {
    if (columns === null) columns = findColumns(record, own);
    else lines.push(lineOf(record, columns, info.lines));
    if (lines.length > maxLines) {
      throw problem(`has more than ${maxLines.toLocaleString('en-US')} lines: split it by time`);
    }
  }
  if (lines.length === 0) throw problem('has no lines');
  return lines;
}

type Columns = Readonly<Record<InvoiceColumn, number>>;

const absent = -1;

function findColumns(header: readonly string[], own: OwnColumns): Columns {
  const names = header.map(plainName);
  const find = (column: InvoiceColumn): number => {
    const given = own[column];
    if (given === undefined) return names.findIndex((name) => columnNames[column].some((known) => known === name));
    const at = names.indexOf(plainName(given));
    if (at === absent) throw problem(`has no column ${given}. Its columns are ${header.join(', ')}`);
    return at;
  };
  const columns: Columns = {
    requestId: find('requestId'),
    day: find('day'),
    model: find('model'),
    cost: find('cost'),
    currency: find('currency'),
  };
  const isByCall = columns.requestId !== absent;
  if (columns.cost === absent || (!isByCall && (columns.day === absent || columns.model === absent))) {
    throw problem(
      `needs the columns request_id and cost, or date, model and cost. It has ${header.join(', ')}; --columns says which is which`,
    );
  }
  return columns;
}

/** `Cost (USD)` is `cost_usd`. */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_|_$/g, '');
}

function lineOf(record: readonly string[], columns: Columns, line: number): InvoiceLine {
  const text = (column: InvoiceColumn): string => record[columns[column]] ?? '';
  const optional = (column: InvoiceColumn): string | null => (text(column) === '' ? null : text(column));
  const currency = optional('currency');
  if (currency !== null && currency.toUpperCase() !== 'USD') {
    throw problem(`is in ${currency} on line ${line}; only US dollars can be compared with the ledger`);
  }
  const day = optional('day');
  return {
    requestId: optional('requestId'),
    day: day === null ? null : dayOf(day, line),
    model: optional('model'),
    ...amountOf(text('cost'), line),
  };
}

const dayPattern = /^\d{4}-\d\d-\d\d$/;
const timePattern = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?( ?(Z|UTC|[+-]\d\d:?\d\d))?$/;

/** A time without a zone is in UTC. */
function dayOf(text: string, line: number): string {
  const [, , , , zone = 'Z'] = timePattern.exec(text) ?? [];
  const day = text.slice(0, 10);
  const [time = '00:00'] = /\d\d:\d\d(?::\d\d)?/.exec(text.slice(11)) ?? [];
  const isKnown = (dayPattern.test(text) || timePattern.test(text)) && isCalendarDay(day);
  const ms = isKnown ? Date.parse(`${day}T${time}${isoZone(zone)}`) : Number.NaN;
  if (Number.isNaN(ms)) throw problem(`has the date '${text}' on line ${line}; use 2026-11-23 or an ISO time`);
  return new Date(ms).toISOString().slice(0, 10);
}

/** `Date.parse` takes February 30 for March 2. */
function isCalendarDay(day: string): boolean {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day);
}

function isoZone(zone: string): string {
  if (zone === 'UTC') return 'Z';
  return /^[+-]\d{4}$/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
}

const amountPattern = /^(-?)\$?(\d{1,9}|\d{1,3}(?:,\d{3}){1,2})(?:\.(\d{1,20}))?$/;

/** Exact: amounts never become floating point. */
function amountOf(text: string, line: number): Pick<InvoiceLine, 'nanoUsd' | 'toleranceNanoUsd'> {
  const [, sign, whole, decimals = ''] = amountPattern.exec(text) ?? [];
  if (whole === undefined) {
    throw problem(`has the amount '${text}' on line ${line}; use US dollars with a point, below a billion: 1234.56`);
  }
  const nano = Number(whole.replaceAll(',', '')) * 1e9 + Number(decimals.slice(0, 9).padEnd(9, '0'));
  if (!Number.isSafeInteger(nano)) throw problem(`has the amount '${text}' on line ${line}, more than $9 million`);
  return {
    nanoUsd: sign === '-' ? -nano : nano,
    toleranceNanoUsd: decimals.length >= 9 ? 1 : 10 ** (9 - decimals.length) / 2,
  };
}

function problem(message: string): InvalidInputError {
  return new InvalidInputError([{ path: ['invoice'], code: 'wrong-value', message }]);
}
