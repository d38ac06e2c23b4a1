// A list that grows at its end and forgets its beginning.

/**
 * An immutable list whose versions share their memory. Appending to the newest version copies
 * nothing, and older versions keep what they had, which makes a fold over many events both pure
 * and cheap.
 */
export class Growing<T> {
  static empty<T>(): Growing<T> {
    return new Growing<T>([], 0, 0, 0);
  }

  private constructor(
    private readonly items: T[],
    private readonly first: number,
    /** Number of items. */
    readonly length: number,
    /** Number of items that were forgotten. */
    readonly dropped: number,
  ) {}

  at(index: number): T {
    if (index < 0 || index >= this.length) throw new RangeError(`no item ${index}`);
    return this.items[this.first + index] as T;
  }

  last(): T | undefined {
    return this.length > 0 ? this.at(this.length - 1) : undefined;
  }

  toArray(): T[] {
    return this.items.slice(this.first, this.first + this.length);
  }

  /** This list with more items, of which at most the last `capacity` are kept. */
  append(added: readonly T[], capacity = Number.POSITIVE_INFINITY): Growing<T> {
    let { items, first } = this;
    // A newer version has already written behind this one, or half of the memory is forgotten.
    if (items.length !== first + this.length || (first > 1024 && first > this.length)) {
      items = this.toArray();
      first = 0;
    }
    for (const item of added) items.push(item);
    const total = this.length + added.length;
    const excess = Math.max(0, total - capacity);
    return new Growing(items, first + excess, total - excess, this.dropped + excess);
  }
}
