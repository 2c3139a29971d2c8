/**
 * How often `work` reads a field or an entry of a value, at any depth: a measure that does not depend on the machine.
 */
export function readsOf<Value extends object>(value: Value, work: (value: Value) => unknown): number {
  let reads = 0;
  const watched = <Inner extends object>(target: Inner): Inner =>
    new Proxy(target, {
      get(of, key, receiver) {
        reads += 1;
        const inner: unknown = Reflect.get(of, key, receiver);
        return typeof inner === 'object' && inner !== null ? watched(inner) : inner;
      },
    });
  work(watched(value));
  return reads;
}
