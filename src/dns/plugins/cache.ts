import { parseCount, parseDuration, unknownWord, zonesOf } from '../corefile.ts';
import { type Message, type ResourceRecord, rcodes, reply, types } from '../message.ts';
import { serverLabel } from '../metrics.ts';
import { isWithin } from '../name.ts';
import { type Answer, after, type Context, type PluginKind, type Request } from '../plugin.ts';

interface Entry {
  readonly message: Message;
  readonly storedAt: number;
  readonly expiresAt: number;
}

/** Answers by question, at most `capacity`; the one asked for longest ago goes first. */
class Store {
  readonly #entries = new Map<string, Entry>();
  readonly #capacity: number;
  constructor(capacity: number) {
    this.#capacity = capacity;
  }
  get(key: string, now: number): Entry | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    if (entry.expiresAt <= now) return undefined;
    this.#entries.set(key, entry); // now the newest
    return entry;
  }
  set(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size > this.#capacity) this.#entries.delete(this.#entries.keys().next().value!);
  }
}

/** What kind of answer it is, or undefined where it is none to keep. */
type Kind = 'success' | 'denial' | 'servfail';
function kindOf({ truncated, rcode, answers }: Message): Kind | undefined {
  if (truncated) return undefined;
  if (rcode === rcodes.SERVFAIL) return 'servfail';
  if (rcode === rcodes.NXDOMAIN) return 'denial';
  if (rcode !== rcodes.NOERROR) return undefined;
  return answers.length > 0 ? 'success' : 'denial';
}

const leastTtl = (records: readonly ResourceRecord[]): number =>
  records.reduce((least, { ttl }) => Math.min(least, ttl), Number.POSITIVE_INFINITY);

/** Seconds that an answer says it may be kept. A denial without an SOA record may not. RFC 2308, section 5. */
function lifetime(message: Message, kind: Kind): number {
  if (kind === 'servfail') return 5;
  if (kind === 'success')
    return leastTtl([...message.answers, ...message.authorities, ...message.additionals]);
  const soa = message.authorities.find(({ type }) => type === types.SOA);
  if (!soa || typeof soa.data === 'string' || !('minimum' in soa.data)) return 0;
  return Math.min(soa.ttl, soa.data.minimum);
}

/**
 * `cache`: keeps answers for as long as they say, at most TTL seconds (3600; denials 1800). The TTLs that clients see go
 * down with time. The same question asked again while its answer is on the way waits for that answer.
 *
 * Corefile: `cache [TTL] [ZONES...]` with a block of `success CAPACITY [TTL] [MINTTL]`, `denial CAPACITY [TTL] [MINTTL]`
 * (capacity 9984 each), `servfail DURATION` (5s, 0: not kept), `disable success|denial [ZONES...]`, `keepttl`.
 */
export const cache: PluginKind = {
  name: 'cache',
  setup({ args, body, line }, { clock, metrics, zones: blockZones }: Context) {
    const hasTtl = /^\d+$/.test(args[0] ?? '');
    const ttl = hasTtl ? parseCount(args[0], line) : undefined;
    const zones = zonesOf(hasTtl ? args.slice(1) : args, blockZones, line);
    const limits = {
      success: { capacity: 9984, max: ttl ?? 3600, min: 5, off: [] as readonly string[] },
      denial: { capacity: 9984, max: Math.min(ttl ?? 1800, 1800), min: 5, off: [] as readonly string[] },
    };
    let servfailMs = 5000;
    let keepTtl = false;
    for (const each of body) {
      const { words, line } = each;
      const [word = '', first, ...rest] = words;
      if (word === 'success' || word === 'denial') {
        limits[word].capacity = parseCount(first, line);
        if (rest[0]) limits[word].max = parseCount(rest[0], line);
        if (rest[1]) limits[word].min = parseCount(rest[1], line);
      } else if (word === 'servfail') servfailMs = Math.min(parseDuration(first, line), 300_000);
      else if (word === 'keepttl') keepTtl = true;
      else if (word === 'disable' && (first === 'success' || first === 'denial'))
        limits[first].off = zonesOf(rest, zones, line);
      else throw unknownWord('cache', each);
    }

    const stores = { success: new Store(limits.success.capacity), denial: new Store(limits.denial.capacity) };
    const underWay = new Map<string, Promise<Message>>();

    const keep = (key: string, name: string, message: Message): void => {
      const kind = kindOf(message);
      if (!kind) return;
      const kept = kind === 'servfail' ? 'denial' : kind;
      const { max, min, off } = limits[kept];
      if (off.some((zone) => isWithin(name, zone))) return;
      const says = lifetime(message, kind);
      if (says === 0) return;
      const ms = kind === 'servfail' ? servfailMs : Math.max(min, Math.min(max, says)) * 1000;
      const now = clock.now();
      if (ms > 0) stores[kept].set(key, { message, storedAt: now, expiresAt: now + ms });
    };

    /** The answer for this asker: its id and spelling, TTLs less the time that has passed. */
    const aged = ({ message, storedAt, expiresAt }: Entry, { message: asked }: Request): Message => {
      const now = clock.now();
      const passed = Math.floor((now - storedAt) / 1000);
      const left = Math.ceil((expiresAt - now) / 1000);
      const age = (records: readonly ResourceRecord[]) =>
        keepTtl
          ? records
          : records.map((record) => ({ ...record, ttl: Math.max(0, Math.min(record.ttl - passed, left)) }));
      const { rcode, authenticData, recursionAvailable } = message;
      return reply(asked, {
        ...{ rcode, authenticData, recursionAvailable, answers: age(message.answers) },
        ...{ authorities: age(message.authorities), additionals: age(message.additionals) },
      });
    };

    const its = zones.join(',');
    const requests = metrics.cacheRequests.with(serverLabel, its, '');
    const misses = metrics.cacheMisses.with(serverLabel, its, '');
    const hits = {
      success: metrics.cacheHits.with(serverLabel, 'success', its, ''),
      denial: metrics.cacheHits.with(serverLabel, 'denial', its, ''),
    };
    return {
      name: 'cache',
      handle(request, next): Answer {
        const { name, type, message } = request;
        if (!zones.some((zone) => isWithin(name, zone))) return next(request);
        const key = `${type} ${message.edns?.dnssec ? 'd' : ''}${message.checkingDisabled ? 'c' : ''} ${name}`;
        const now = clock.now();
        requests.value++;
        const success = stores.success.get(key, now);
        const entry = success ?? stores.denial.get(key, now);
        if (entry) {
          hits[entry === success ? 'success' : 'denial'].value++;
          return aged(entry, request);
        }
        misses.value++;
        // Questions of the server to itself do not wait for others: two could wait for each other.
        const other = request.depth === 0 ? underWay.get(key) : undefined;
        if (other) {
          return other.then((shared) =>
            aged({ message: shared, storedAt: now, expiresAt: Number.POSITIVE_INFINITY }, request),
          );
        }
        const answer = after(next(request), (fresh) => {
          keep(key, name, fresh);
          return fresh;
        });
        if (!(answer instanceof Promise) || request.depth > 0) return answer;
        underWay.set(key, answer);
        return answer.finally(() => underWay.delete(key));
      },
    };
  },
};
