import type { AnyObject } from '../../machinery/meta.ts';
import type { Lines } from '../command.ts';
import { KubectlError } from '../errors.ts';
import { goText } from './go-values.ts';
import { JsonPath } from './jsonpath.ts';
import { relaxedPath } from './relaxed-path.ts';
import { escapeTerminal } from './table.ts';
import { TabWriter, tableTabs } from './tabs.ts';

export interface CustomColumn {
  header: string;
  path: JsonPath;
}

const column = (header: string, spec: string): CustomColumn => ({
  header,
  path: new JsonPath(relaxedPath(spec)),
});

/** `NAME:.metadata.name,NODE:.spec.nodeName`. */
export function parseColumnSpec(spec: string): CustomColumn[] {
  if (!spec) throw new KubectlError('custom-columns format specified but no custom columns given');
  return spec.split(',').map((part) => {
    const colon = part.indexOf(':');
    if (colon < 0)
      throw new KubectlError(`unexpected custom-columns spec: ${part}, expected <header>:<json-path-expr>`);
    return column(part.slice(0, colon), part.slice(colon + 1));
  });
}

/** A line of headers and a line of paths, each with blanks between. */
export function parseColumnFile(text: string): CustomColumn[] {
  const expected =
    'Expected format is one line of space separated headers, one line of space separated column specs.';
  const [headers, specs] = text.split('\n').map((line) => line.trim().split(/\s+/).filter(Boolean));
  if (!headers || text === '') throw new KubectlError(`invalid template, missing header line. ${expected}`);
  if (!specs || text.split('\n').length < 2 || (text.split('\n').length === 2 && text.endsWith('\n')))
    throw new KubectlError(`invalid template, missing spec line. ${expected}`);
  if (headers.length !== specs.length)
    throw new KubectlError(
      `number of headers (${headers.length}) and field specifications (${specs.length}) don't match`,
    );
  return headers.map((header, i) => column(header, specs[i]!));
}

/** Prints objects as rows; the header comes once. */
export class CustomColumns {
  readonly #columns: CustomColumn[];
  #headers: boolean;
  constructor(columns: CustomColumn[], { noHeaders = false } = {}) {
    this.#columns = columns;
    this.#headers = !noHeaders;
  }

  print(object: AnyObject, out: Lines): void {
    const writer = new TabWriter(tableTabs, (text) => out.write(text));
    if (this.#headers) writer.line(...this.#columns.map(({ header }) => header));
    this.#headers = false;
    for (const item of Array.isArray(object.items) ? object.items : [object])
      writer.line(...this.#columns.map(({ path }) => cell(path, item)));
    writer.flush();
  }
}

function cell(path: JsonPath, object: AnyObject): string {
  const results = path.find(object);
  const values = results[0]?.length
    ? results.flat().map((value) => escapeTerminal(goText(value)))
    : ['<none>'];
  return values.join(',');
}
