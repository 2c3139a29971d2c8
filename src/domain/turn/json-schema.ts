import { fieldsOf } from '../fields-of';

/**
 * Steps of one check. Whoever sends a request writes its schema, and with `anyOf` and `$ref` a short one can ask for 2^n
 * steps. What is not reached is taken to be right.
 */
const maxSteps = 20_000;
const maxReferenceLength = 200;
/** Far below the depth at which recursion overflows. */
const maxDepth = 100;

/**
 * Whether a value certainly breaks a JSON Schema. Only what describes the shape is looked at: types, fields, items,
 * lengths, ranges, `enum`, `const`, `anyOf`, `oneOf`, `allOf` and local `$ref`s. Schema libraries are not fit for this:
 * they compile the patterns, and some of them code, of whoever sends a request, and none of them limits the steps.
 */
export function breaksSchema(value: unknown, schema: unknown): boolean {
  return !new Check(schema).accepts(value, schema, 0);
}

type Fields = Readonly<Record<string, unknown>>;

class Check {
  private stepsLeft = maxSteps;

  constructor(private readonly root: unknown) {}

  accepts(value: unknown, schema: unknown, depth: number): boolean {
    if (!this.mayStep(1) || depth > maxDepth) return true;
    if (schema === false) return false;
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return true;
    const keywords = schema as Fields;
    return (
      this.hasType(value, keywords['type']) &&
      this.isListed(value, keywords) &&
      this.fitsReference(value, keywords['$ref'], depth) &&
      this.fitsCombinations(value, keywords, depth) &&
      fitsLimits(value, keywords) &&
      (!Array.isArray(value) || this.fitsItems(value, keywords, depth)) &&
      (!isObject(value) || this.fitsFields(value, keywords, depth))
    );
  }

  private mayStep(steps: number): boolean {
    this.stepsLeft -= steps;
    return this.stepsLeft >= 0;
  }

  private hasType(value: unknown, type: unknown): boolean {
    const types = listOf(type);
    if (types === null) return typeof type !== 'string' || isOfType(value, type);
    return !this.mayStep(types.length) || types.some((one) => typeof one !== 'string' || isOfType(value, one));
  }

  private isListed(value: unknown, { enum: listed, const: only }: Fields): boolean {
    const options = listOf(listed);
    if (only !== undefined && isPrimitive(only) && value !== only) return false;
    if (options === null || !this.mayStep(options.length)) return true;
    return options.some((option) => !isPrimitive(option) || option === value);
  }

  private fitsReference(value: unknown, reference: unknown, depth: number): boolean {
    if (typeof reference !== 'string' || !reference.startsWith('#') || reference.length > maxReferenceLength)
      return true;
    const names = reference.slice(1).split('/').slice(1);
    const target = names.reduce<unknown>((at, name) => ownField(at, unescaped(name)), this.root);
    return target === undefined || this.accepts(value, target, depth + 1);
  }

  /** `oneOf` is read as `anyOf`: keywords that are not looked at may tell apart what looks alike here. */
  private fitsCombinations(value: unknown, { anyOf, oneOf, allOf }: Fields, depth: number): boolean {
    const accepts = (schema: unknown): boolean => this.stepsLeft < 0 || this.accepts(value, schema, depth + 1);
    const isAny = [anyOf, oneOf].every((options) => listOf(options)?.some(accepts) ?? true);
    return isAny && (listOf(allOf)?.every(accepts) ?? true);
  }

  private fitsItems(values: readonly unknown[], { items, prefixItems }: Fields, depth: number): boolean {
    // Older drafts list the schemas of the first items under `items`.
    const first = listOf(prefixItems) ?? listOf(items) ?? [];
    const rest = listOf(items) === null ? items : undefined;
    return values.every(
      (value, index) =>
        this.stepsLeft < 0 || this.accepts(value, index < first.length ? first[index] : rest, depth + 1),
    );
  }

  private fitsFields(value: Fields, keywords: Fields, depth: number): boolean {
    const { required, properties, patternProperties, additionalProperties } = keywords;
    const names = listOf(required) ?? [];
    if (!this.mayStep(names.length)) return true;
    if (names.some((name) => typeof name === 'string' && !Object.hasOwn(value, name))) return false;
    const others = patternProperties === undefined ? additionalProperties : undefined;
    const described = fieldsOf(properties);
    const fields = Object.entries(value);
    if (!this.mayStep(fields.length)) return true;
    return fields.every(
      ([name, field]) =>
        this.stepsLeft < 0 || this.accepts(field, Object.hasOwn(described, name) ? described[name] : others, depth + 1),
    );
  }
}

function fitsLimits(value: unknown, keywords: Fields): boolean {
  const size = sizeOf(value);
  if (size === null) return true;
  const [min, max] = size.keywords.map((keyword) => keywords[keyword]);
  return !(typeof min === 'number' && size.most < min) && !(typeof max === 'number' && size.least > max);
}

interface Size {
  readonly least: number;
  readonly most: number;
  readonly keywords: readonly [min: string, max: string];
}

function sizeOf(value: unknown): Size | null {
  if (typeof value === 'number') return { least: value, most: value, keywords: ['minimum', 'maximum'] };
  if (Array.isArray(value)) return { least: value.length, most: value.length, keywords: ['minItems', 'maxItems'] };
  if (typeof value !== 'string') return null;
  // The limits are in code points, which take one or two code units.
  return { least: value.length / 2, most: value.length, keywords: ['minLength', 'maxLength'] };
}

function isOfType(value: unknown, type: string): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    case 'integer':
      return Number.isInteger(value);
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type;
    default:
      return true;
  }
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPrimitive(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}

function listOf(value: unknown): readonly unknown[] | null {
  return Array.isArray(value) ? value : null;
}

function ownField(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Fields)[name]
    : undefined;
}

/** Of a JSON pointer. */
function unescaped(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~');
}
