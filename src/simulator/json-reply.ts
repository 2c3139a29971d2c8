type Schema = Readonly<Record<string, unknown>>;

/** JSON that fits the schema as far as it says types, properties and enums; `text` stands wherever a string may. */
export function jsonReply(schema: Schema, text: string): string {
  return JSON.stringify(Object.keys(schema).length === 0 ? { answer: text } : valueFor(schema, text));
}

function valueFor(schema: Schema, text: string): unknown {
  if (Array.isArray(schema['enum'])) return schema['enum'][0] as unknown;
  const type: unknown = Array.isArray(schema['type']) ? schema['type'][0] : schema['type'];
  switch (type) {
    case 'object': {
      const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
      return Object.fromEntries(properties.map(([name, property]) => [name, valueFor(property, text)]));
    }
    case 'array':
      return [valueFor((schema['items'] ?? {}) as Schema, text)];
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    case 'null':
      return null;
    default:
      return text;
  }
}
