/** What a model makes of a request, whatever the format in which it came. */
export interface Heard {
  /** The text of the latest message of the user. */
  readonly question: string;
  /** The data of all images, in base64, in their order. */
  readonly images: readonly string[];
  /** What the tools returned after the latest message of the assistant. */
  readonly results: readonly string[];
  /** Of all calls of the assistant, in their order. */
  readonly callIds: readonly string[];
  readonly hasTools: boolean;
  /** The caller asks it to think, and it may. */
  readonly thinks: boolean;
  /** A part of the prompt is kept in a cache. */
  readonly caches: boolean;
}

/** Says what a strict provider would refuse. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
}

type Fields = Readonly<Record<string, unknown>>;

export function refuse(condition: boolean, problem: string): void {
  if (condition) throw new Refusal(problem);
}

export function fields(value: unknown, where: string): Fields {
  refuse(typeof value !== 'object' || value === null || Array.isArray(value), `${where} is not an object`);
  return value as Fields;
}

/** The fields, none of which is unknown, as strict providers demand. */
export function onlyFields(value: unknown, known: readonly string[], where: string): Fields {
  const all = fields(value, where);
  for (const field of Object.keys(all)) refuse(!known.includes(field), `${where}.${field} is unknown`);
  return all;
}

export function list(value: unknown, where: string): readonly unknown[] {
  refuse(!Array.isArray(value) || value.length === 0, `${where} is not a list with something in it`);
  return value as readonly unknown[];
}

export function text(value: unknown, where: string): string {
  refuse(typeof value !== 'string' || value === '', `${where} is not a text`);
  return value as string;
}
