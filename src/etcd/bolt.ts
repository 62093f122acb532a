// The file format of bbolt, in which etcd keeps its state and makes its snapshots. Pages of 4 KiB, little-endian:
//
//   page     id u64 | kind u16 | count u16 | overflow u32 (pages that follow and belong to it) | elements
//   meta     magic u32 | version u32 | page size u32 | flags u32 | root bucket: page u64, sequence u64 | free list's page u64 |
//            number of pages u64 | transaction u64 | checksum u64 (FNV-1a of all before it)               pages 0 and 1
//   branch   elements: position of the key (from the element) u32 | length u32 | page u64
//   leaf     elements: 1 for a bucket u32 | position of the key u32 | its length u32 | length of the value, which follows, u32
//   bucket   as a value: page u64 | sequence u64; with page 0, a whole leaf page follows
//
// Source: the comments of go.etcd.io/bbolt, page.go, meta.go and bucket.go.

const pageSize = 4096;
const pageHeader = 16;
const elementBytes = 16;
const kind = { branch: 1, leaf: 2, meta: 4, freelist: 16 };
const magic = 0xed0c_daed;
const version = 2;
const metaBytes = 64;
/** A tree deeper than this is none. */
const deepest = 32;

export type Item = readonly [key: Uint8Array, value: Uint8Array];

function fnv1a(bytes: Uint8Array): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * 0x100_0000_01b3n) & 0xffff_ffff_ffff_ffffn;
  return hash;
}

interface Child {
  first: Uint8Array;
  page: number;
}

/** Puts a new file together, from front to end; what comes first in the file is written last. */
class BoltWriter {
  readonly #write: (at: number, bytes: Uint8Array) => Promise<void>;
  #pages = 3;

  constructor(write: (at: number, bytes: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  /** Writes a page of these elements; `fields` gives an element's first words, `data` what it points to. */
  async #page(
    type: number,
    elements: { fields: number[]; data: Uint8Array[] }[],
    id?: number,
  ): Promise<number> {
    const size =
      pageHeader +
      elements.reduce((sum, { data }) => sum + elementBytes + data.reduce((n, d) => n + d.length, 0), 0);
    const count = Math.max(1, Math.ceil(size / pageSize));
    const bytes = new Uint8Array(count * pageSize);
    const view = new DataView(bytes.buffer);
    const page = id ?? this.#pages;
    if (id === undefined) this.#pages += count;
    view.setBigUint64(0, BigInt(page), true);
    view.setUint16(8, type, true);
    view.setUint16(10, elements.length, true);
    view.setUint32(12, count - 1, true);
    let at = pageHeader + elements.length * elementBytes;
    elements.forEach(({ fields, data }, i) => {
      const element = pageHeader + i * elementBytes;
      // The one field that is not known before: where the data is.
      for (const [k, field] of fields.entries())
        view.setUint32(element + 4 * k, field < 0 ? at - element : field, true);
      for (const part of data) {
        bytes.set(part, at);
        at += part.length;
      }
    });
    await this.#write(page * pageSize, bytes);
    return page;
  }

  async #leaf(items: Item[], flags = 0): Promise<Child> {
    const page = await this.#page(
      kind.leaf,
      items.map(([key, value]) => ({ fields: [flags, -1, key.length, value.length], data: [key, value] })),
    );
    return { first: items[0]![0], page };
  }

  async #branch(children: Child[]): Promise<Child> {
    const page = await this.#page(
      kind.branch,
      children.map(({ first, page }) => ({
        fields: [-1, first.length, page >>> 0, Math.floor(page / 2 ** 32)],
        data: [first],
      })),
    );
    return { first: children[0]!.first, page };
  }

  /** Writes a tree; returns its root, undefined for an empty one. */
  async tree(items: AsyncIterable<Item> | Iterable<Item>, flags = 0): Promise<number | undefined> {
    let level: Child[] = [];
    let waiting: Item[] = [];
    let size = pageHeader;
    for await (const item of items) {
      const bytes = elementBytes + item[0].length + item[1].length;
      if (waiting.length && size + bytes > pageSize) {
        level.push(await this.#leaf(waiting, flags));
        waiting = [];
        size = pageHeader;
      }
      waiting.push(item);
      size += bytes;
    }
    if (waiting.length) level.push(await this.#leaf(waiting, flags));
    while (level.length > 1) {
      const above: Child[] = [];
      let children: Child[] = [];
      size = pageHeader;
      for (const child of level) {
        const bytes = elementBytes + child.first.length;
        if (children.length > 1 && size + bytes > pageSize) {
          above.push(await this.#branch(children));
          children = [];
          size = pageHeader;
        }
        children.push(child);
        size += bytes;
      }
      above.push(await this.#branch(children));
      level = above;
    }
    return level[0]?.page;
  }

  async close(root: number): Promise<number> {
    await this.#page(kind.freelist, [], 2);
    for (const id of [0, 1]) {
      const bytes = new Uint8Array(pageSize);
      const view = new DataView(bytes.buffer);
      view.setBigUint64(0, BigInt(id), true);
      view.setUint16(8, kind.meta, true);
      view.setUint32(pageHeader, magic, true);
      view.setUint32(pageHeader + 4, version, true);
      view.setUint32(pageHeader + 8, pageSize, true);
      view.setBigUint64(pageHeader + 16, BigInt(root), true);
      view.setBigUint64(pageHeader + 32, 2n, true);
      view.setBigUint64(pageHeader + 40, BigInt(this.#pages), true);
      view.setBigUint64(pageHeader + 48, BigInt(id), true);
      view.setBigUint64(pageHeader + 56, fnv1a(bytes.subarray(pageHeader, pageHeader + 56)), true);
      await this.#write(id * pageSize, bytes);
    }
    return this.#pages * pageSize;
  }
}

/** Writes a file of these buckets, whose items must come in order. Returns its length. */
export async function writeBolt(
  buckets: { name: string; items: AsyncIterable<Item> | Iterable<Item> }[],
  write: (at: number, bytes: Uint8Array) => Promise<void>,
): Promise<number> {
  const writer = new BoltWriter(write);
  const values = new Map<string, Uint8Array>();
  for (const { name, items } of buckets) {
    const root = await writer.tree(items);
    const value = new Uint8Array(root === undefined ? 32 : 16);
    const view = new DataView(value.buffer);
    if (root === undefined) view.setUint16(16 + 8, kind.leaf, true);
    else view.setBigUint64(0, BigInt(root), true);
    values.set(name, value);
  }
  const encoder = new TextEncoder();
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1));
  const root = await writer.tree(
    sorted.map(([name, value]): Item => [encoder.encode(name), value]),
    1,
  );
  return writer.close(root!);
}

export class NoBoltError extends Error {}

/** Reads a file. `read` gives `length` bytes at `at`, fewer at the file's end. Throws NoBoltError for what is none. */
export class BoltReader {
  readonly #read: (at: number, length: number) => Uint8Array;
  readonly #pageSize: number;
  readonly #pages: number;
  readonly #root: number;

  constructor(read: (at: number, length: number) => Uint8Array) {
    this.#read = read;
    const metas = [0, pageSize].map((at) => this.#meta(at)).filter((meta) => meta !== undefined);
    const newest = metas.sort((a, b) => (a.txn < b.txn ? 1 : -1))[0];
    if (!newest) throw new NoBoltError('this is no snapshot of etcd (neither of its meta pages is whole)');
    this.#pageSize = newest.pageSize;
    this.#pages = newest.pages;
    this.#root = newest.root;
  }

  #meta(at: number) {
    const bytes = this.#read(at, pageHeader + metaBytes);
    if (bytes.length < pageHeader + metaBytes) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    if (view.getUint32(pageHeader, true) !== magic || view.getUint32(pageHeader + 4, true) !== version)
      return undefined;
    if (view.getBigUint64(pageHeader + 56, true) !== fnv1a(bytes.subarray(pageHeader, pageHeader + 56)))
      return undefined;
    const word = (offset: number) => Number(view.getBigUint64(pageHeader + offset, true));
    return {
      pageSize: view.getUint32(pageHeader + 8, true),
      ...{ root: word(16), pages: word(40), txn: word(48) },
    };
  }

  /** Bytes of pages, as the newest transaction counts them. */
  get length(): number {
    return this.#pages * this.#pageSize;
  }

  /** The names of the buckets, in order. */
  buckets(): string[] {
    const decoder = new TextDecoder();
    return [...this.#tree(this.#root, 0)].map(([key]) => decoder.decode(key));
  }

  /** What a bucket has, in order; nothing when there is no such bucket. */
  *items(name: string): Iterable<Item> {
    const decoder = new TextDecoder();
    for (const [key, value] of this.#tree(this.#root, 0)) {
      if (decoder.decode(key) !== name) continue;
      const root = Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true));
      yield* root ? this.#tree(root, 0) : this.#leaf(value.subarray(16));
    }
  }

  #page(id: number): Uint8Array {
    if (id < 2 || id >= this.#pages)
      throw new NoBoltError(`the snapshot is damaged (there is no page ${id})`);
    const at = id * this.#pageSize;
    const first = this.#read(at, this.#pageSize);
    const view = new DataView(first.buffer, first.byteOffset);
    if (first.length < this.#pageSize || Number(view.getBigUint64(0, true)) !== id)
      throw new NoBoltError(`the snapshot is damaged (page ${id} is not where it should be)`);
    const overflow = view.getUint32(12, true);
    if (id + overflow >= this.#pages)
      throw new NoBoltError(`the snapshot is damaged (page ${id} is too long)`);
    return overflow ? this.#read(at, (overflow + 1) * this.#pageSize) : first;
  }

  *#tree(id: number, depth: number): Iterable<Item> {
    if (depth > deepest) throw new NoBoltError('the snapshot is damaged (its tree has no end)');
    const page = this.#page(id);
    const view = new DataView(page.buffer, page.byteOffset);
    if (view.getUint16(8, true) === kind.leaf) {
      yield* this.#leaf(page);
      return;
    }
    if (view.getUint16(8, true) !== kind.branch)
      throw new NoBoltError(`the snapshot is damaged (page ${id} is of an unknown kind)`);
    for (let i = 0; i < view.getUint16(10, true); i++)
      yield* this.#tree(Number(view.getBigUint64(pageHeader + i * elementBytes + 8, true)), depth + 1);
  }

  *#leaf(page: Uint8Array): Iterable<Item> {
    const view = new DataView(page.buffer, page.byteOffset);
    for (let i = 0; i < view.getUint16(10, true); i++) {
      const element = pageHeader + i * elementBytes;
      const key = element + view.getUint32(element + 4, true);
      const value = key + view.getUint32(element + 8, true);
      const end = value + view.getUint32(element + 12, true);
      if (end > page.length) throw new NoBoltError('the snapshot is damaged (a value is not whole)');
      yield [page.subarray(key, value), page.subarray(value, end)];
    }
  }
}
