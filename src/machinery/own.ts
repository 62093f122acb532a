// Objects as maps whose keys come from clients: also those that are called as what every object has, `toString` or `__proto__`.

/** A key's value; undefined for what every object has. */
export const own = <T>(map: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(map, key) ? map[key] : undefined;

/** Sets a key, also where it is called `__proto__`: assigned, that one would become the map's prototype, and be lost. */
export function put<T>(map: Record<string, T>, key: string, value: T): void {
  if (key === '__proto__')
    Object.defineProperty(map, key, { value, enumerable: true, writable: true, configurable: true });
  else map[key] = value;
}
