/** Those that look at every character of their text, or may do so. */
const methods = ['trim', 'trimStart', 'trimEnd', 'search', 'startsWith', 'match', 'replace'] as const;

/**
 * How many characters of texts `work` has searched, trimmed or compared: a measure that does not depend on the machine.
 */
export function charactersOf(work: () => void): number {
  let characters = 0;
  const spies = methods.map((method) => {
    const original = String.prototype[method] as (...values: unknown[]) => unknown;
    return jest.spyOn(String.prototype, method).mockImplementation(function (this: string, ...values: unknown[]) {
      // A comparison looks at no more than what it compares with.
      characters += method === 'startsWith' ? String(values[0]).length : this.length;
      return original.apply(this, values) as never;
    });
  });
  const test: (this: RegExp, text: string) => boolean = Reflect.get(RegExp.prototype, 'test');
  const spy = jest.spyOn(RegExp.prototype, 'test').mockImplementation(function (this: RegExp, text: string) {
    characters += text.length;
    return test.call(this, text);
  });
  try {
    work();
  } finally {
    for (const each of [...spies, spy]) each.mockRestore();
  }
  return characters;
}
