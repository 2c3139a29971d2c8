/** The values that were added last; the oldest one goes when there are too many. */
export class RecentSet<Value> {
  private readonly values = new Set<Value>();

  constructor(private readonly maxSize: number) {}

  has(value: Value): boolean {
    return this.values.has(value);
  }

  add(value: Value): void {
    this.values.delete(value);
    this.values.add(value);
    const [oldest] = this.values;
    if (this.values.size > this.maxSize && oldest !== undefined) this.values.delete(oldest);
  }

  delete(value: Value): void {
    this.values.delete(value);
  }
}
