import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Texts } from '../../api/descriptions.ts';

/** Beside the bundle, whichever of its files this code is in; in a checkout, where the bundle is made. */
const places = [import.meta.dirname, join(import.meta.dirname, '..', '..', '..', 'dist')];

/** What `kubectl explain` says of types, as the bundle has it; nothing where none was made. */
export function readDescriptions(): Texts | undefined {
  const path = places.map((place) => join(place, 'descriptions.json')).find(existsSync);
  return path ? JSON.parse(readFileSync(path, 'utf8')) : undefined;
}
