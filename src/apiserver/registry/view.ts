import type { Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { Entry } from '../cache/entry.ts';
import { CacheEvent } from '../cache/resource-cache.ts';

/** At once where it can be had at once: most conversions need nobody else. */
export type MaybePromise<T> = T | Promise<T>;

export const isPromise = <T>(value: MaybePromise<T>): value is Promise<T> => value instanceof Promise;
export const after = <T, R>(value: MaybePromise<T>, then: (value: T) => MaybePromise<R>): MaybePromise<R> =>
  isPromise(value) ? value.then(then) : then(value);

/** How the forms of one resource are made from one another. Rejections are StatusErrors. */
export interface Converter {
  /** Objects as the store has them, each in the form that its apiVersion names, as the given kind shows them. */
  read(entries: Entry[], to: Kind): MaybePromise<AnyObject[]>;
  /** Objects of a request, each from the form that its apiVersion names, to that of the given kind. */
  convert(objects: AnyObject[], to: Kind): MaybePromise<AnyObject[]>;
}

/** What is stored, in the form of one served version. Each object is converted once, whoever asks for it. */
export class View {
  readonly #kind: Kind<any>;
  readonly #storage: Kind<any>;
  readonly #converter: Converter;
  readonly #entries = new WeakMap<Entry, MaybePromise<Entry>>();
  readonly #events = new WeakMap<CacheEvent, MaybePromise<CacheEvent>>();

  constructor(kind: Kind<any>, storage: Kind<any>, converter: Converter) {
    this.#kind = kind;
    this.#storage = storage;
    this.#converter = converter;
  }

  entry(entry: Entry): MaybePromise<Entry> {
    return this.#entries.get(entry) ?? after(this.entries([entry]), ([one]) => one!);
  }

  /** Those that were not asked for before are converted together. */
  entries(list: Entry[]): MaybePromise<Entry[]> {
    const missing = list.filter((entry) => !this.#entries.has(entry));
    if (missing.length) this.#convert([...new Set(missing)]);
    const found = list.map((entry) => this.#entries.get(entry)!);
    return found.some(isPromise) ? Promise.all(found) : (found as Entry[]);
  }

  #convert(missing: Entry[]): void {
    const shown = (entry: Entry, object: AnyObject) =>
      object === entry.object ? entry : new Entry(this.#kind, entry.key, object, entry.revision);
    const converted = this.#converter.read(missing, this.#kind);
    if (!isPromise(converted)) {
      missing.forEach((entry, i) => void this.#entries.set(entry, shown(entry, converted[i]!)));
      return;
    }
    missing.forEach((entry, i) => {
      const one = converted.then((objects) => shown(entry, objects[i]!));
      this.#entries.set(entry, one);
      one.then(
        (made) => this.#entries.set(entry, made),
        // The next who asks tries again; whoever waits gets the error itself.
        () => this.#entries.delete(entry),
      );
    });
  }

  event(event: CacheEvent): MaybePromise<CacheEvent> {
    const known = this.#events.get(event);
    if (known) return known;
    const { entry, previous, deleted } = event;
    const made = after(this.entries(previous ? [entry, previous] : [entry]), ([now, before]) =>
      now === entry && before === previous ? event : new CacheEvent(now!, before, deleted),
    );
    this.#events.set(event, made);
    if (isPromise(made))
      made.then(
        (done) => this.#events.set(event, done),
        () => this.#events.delete(event),
      );
    return made;
  }

  /** An object of this version as it is to be stored. */
  toStorage(object: AnyObject): MaybePromise<AnyObject> {
    return this.to(this.#storage, object);
  }

  /** An object of this version in the form of another. */
  to(kind: Kind, object: AnyObject): MaybePromise<AnyObject> {
    if (kind === this.#kind) return object;
    return after(this.#converter.convert([object], kind), ([one]) => one!);
  }
  /** An object of another version in the form of this one. */
  from(object: AnyObject): MaybePromise<AnyObject> {
    return after(this.#converter.convert([object], this.#kind), ([one]) => one!);
  }
}

/** Takes values in the order in which they were given, waiting for those that are not there yet. */
export class InOrder {
  #last: Promise<void> | undefined;

  push<T>(value: MaybePromise<T>, use: (value: T) => void, fail: (error: unknown) => void): void {
    if (!this.#last && !isPromise(value)) {
      use(value);
      return;
    }
    // Whoever comes later waits for his turn, and a failure waits with him.
    const settled = Promise.resolve(value).then(
      (given) => () => use(given),
      (error) => () => fail(error),
    );
    const mine = (this.#last ?? Promise.resolve()).then(() => settled).then((run) => run());
    this.#last = mine;
    void mine.finally(() => {
      if (this.#last === mine) this.#last = undefined;
    });
  }
}
