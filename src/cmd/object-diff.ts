import type { AnyObject } from '../machinery/meta.ts';

/** One difference: `before` is absent for what came, `after` for what went. */
export interface Difference {
  path: string;
  before?: unknown;
  after?: unknown;
}

/** What names an element of a list, where its elements are objects. */
const listKeys = ['name', 'type', 'uid', 'containerPort', 'port', 'mountPath', 'key', 'ip', 'topologyKey'];
/** What changes with every write. */
const bookkeeping = new Set(['metadata.resourceVersion', 'metadata.managedFields']);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function keyOf(...lists: unknown[][]): string | undefined {
  const all = lists.flat();
  if (!all.length || !all.every(isObject)) return undefined;
  return listKeys.find((key) =>
    lists.every((list) => new Set(list.map((one) => (one as AnyObject)[key] ?? list)).size === list.length),
  );
}

const member = (path: string, name: string): string =>
  /^[\w-]+$/.test(name) ? (path ? `${path}.${name}` : name) : `${path}[${JSON.stringify(name)}]`;

/** The differences of two objects, leaves first to last; elements of lists are found again by their names. */
export function differences(before: unknown, after: unknown, path = ''): Difference[] {
  if (bookkeeping.has(path) || JSON.stringify(before) === JSON.stringify(after)) return [];
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => differences(before[name], after[name], member(path, name)));
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const key = keyOf(before, after);
    if (key === undefined) {
      const length = Math.max(before.length, after.length);
      return Array.from({ length }, (_, i) => differences(before[i], after[i], `${path}[${i}]`)).flat();
    }
    const named = (list: any[]) => new Map(list.map((one) => [String(one[key]), one]));
    const [was, is] = [named(before), named(after)];
    return [...new Set([...was.keys(), ...is.keys()])].flatMap((name) =>
      differences(was.get(name), is.get(name), `${path}[${name}]`),
    );
  }
  return [
    {
      path,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    },
  ];
}

interface ManagedFields {
  manager: string;
  operation: string;
  subresource?: string;
  time?: string;
}

/** Who wrote, as managedFields tell: `kubelet (Update, status)`. Empty where they tell nothing. */
export function writersOf(before: AnyObject | undefined, after: AnyObject): string[] {
  const entries = (object: AnyObject | undefined): ManagedFields[] =>
    (object?.metadata.managedFields ?? []) as ManagedFields[];
  const identity = ({ manager, operation, subresource = '' }: ManagedFields) =>
    `${manager}/${operation}/${subresource}`;
  const known = new Map(entries(before).map((one) => [identity(one), one]));
  const changed = entries(after).filter(
    (one) => JSON.stringify(known.get(identity(one))) !== JSON.stringify(one),
  );
  // Who lost a field to another has the time of its own last write still.
  const wrote = changed.filter((one) => known.get(identity(one))?.time !== one.time);
  return (wrote.length ? wrote : changed).map(
    ({ manager, operation, subresource }) =>
      `${manager} (${operation}${subresource ? `, ${subresource}` : ''})`,
  );
}
