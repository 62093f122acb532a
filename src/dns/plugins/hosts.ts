import type { Timer } from '../../machinery/clock.ts';
import { formatAddress, parseAddress } from '../address.ts';
import { CorefileError, parseCount, parseDuration, zonesOf } from '../corefile.ts';
import { classIN, rcodes, reply, types } from '../message.ts';
import { absolute, isWithin, reverseAddress } from '../name.ts';
import type { PluginKind } from '../plugin.ts';

interface Table {
  readonly addresses: Map<string, Uint8Array[]>;
  readonly names: Map<string, string[]>;
}

/** Lines of /etc/hosts: `ADDRESS NAME...`. Lines without an address are passed over. */
function readTable(lines: readonly (readonly string[])[]): Table {
  const table: Table = { addresses: new Map(), names: new Map() };
  for (const [address = '', ...names] of lines) {
    const bytes = parseAddress(address);
    if (!bytes) continue;
    for (const name of names.map(absolute)) {
      table.addresses.set(name, [...(table.addresses.get(name) ?? []), bytes]);
      const text = formatAddress(bytes);
      table.names.set(text, [...(table.names.get(text) ?? []), name]);
    }
  }
  return table;
}

/**
 * `hosts`: names and addresses as in /etc/hosts, from a file or from lines in the Corefile; A, AAAA and PTR.
 *
 * Corefile: `hosts [FILE [ZONES...]]` with a block of `ADDRESS NAME...`, `ttl SECONDS` (3600), `no_reverse`,
 * `reload DURATION` (5s, 0: never) and `fallthrough [ZONES...]`. Names that are not there get no answer unless it falls
 * through.
 */
export const hosts: PluginKind = {
  name: 'hosts',
  setup({ args, body, line }, { host, clock, log, zones: blockZones }) {
    const [file, ...zoneNames] = args;
    const zones = zonesOf(zoneNames, blockZones, line);
    const inline: (readonly string[])[] = [];
    let through: readonly string[] | undefined;
    let ttl = 3600;
    let reverse = true;
    let reloadMs = 5000;
    for (const { words, line } of body) {
      const [word, value] = words;
      if (word === 'fallthrough') through = zonesOf(words.slice(1), ['.'], line);
      else if (word === 'ttl') ttl = parseCount(value, line);
      else if (word === 'no_reverse') reverse = false;
      else if (word === 'reload') reloadMs = parseDuration(value, line);
      else if (parseAddress(word!)) inline.push(words);
      else throw new CorefileError(line, `hosts: neither an address nor a known word: ${word}`);
    }
    let table = readTable(inline);
    let timer: Timer | undefined;
    let stopped = false;
    const load = async () => {
      try {
        const text = await host.readFile(file!);
        const lines = text.split('\n').map((each) => each.replace(/#.*/, '').trim().split(/\s+/));
        table = readTable([...inline, ...lines]);
      } catch (error) {
        log.warn('hosts file not read', { file, error: String(error) });
      }
      if (!stopped && reloadMs > 0) timer = clock.after(reloadMs, () => void load());
    };
    return {
      name: 'hosts',
      start: () => (file ? load() : undefined),
      stop() {
        stopped = true;
        timer?.cancel();
      },
      handle(request, next) {
        const { name, type, message } = request;
        if (!zones.some((zone) => isWithin(name, zone))) return next(request);
        const record = (data: string | Uint8Array) => ({
          name: message.questions[0]!.name,
          type,
          class: classIN,
          ttl,
          data,
        });
        const address = type === types.PTR && reverse ? reverseAddress(name) : undefined;
        const names = address && table.names.get(formatAddress(address));
        if (names) return reply(message, { authoritative: true, answers: names.map(record) });
        const found = table.addresses.get(name);
        if (found) {
          const size = type === types.A ? 4 : type === types.AAAA ? 16 : 0;
          const answers = found.filter((bytes) => bytes.length === size).map(record);
          return reply(message, { authoritative: true, answers });
        }
        if (through?.some((zone) => isWithin(name, zone))) return next(request);
        return reply(message, { authoritative: true, rcode: rcodes.NXDOMAIN });
      },
    };
  },
};
