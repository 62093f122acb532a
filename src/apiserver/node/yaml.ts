import { Worker } from 'node:worker_threads';
import { badRequest, StatusError, tooManyRequests } from '../../machinery/status.ts';
import type { ParseYaml, YamlDocument } from '../../machinery/yaml.ts';

/** What the thread answers. */
export interface Parsed {
  document?: YamlDocument | undefined;
  refusal?: string;
}

/** No document that is one takes so long. */
const limitMs = 15_000;
/** A thread that has nothing to do ends. */
const idleMs = 20_000;
const mostWaiting = 20;

/** Beside the sources it is TypeScript, in a bundle it is not. */
const program = new URL(
  import.meta.url.endsWith('.ts') ? './yaml-worker.ts' : './yaml-worker.js',
  import.meta.url,
);

/** Parses the first document of long texts, one after the other, in a thread that is there while it is needed. */
export function yamlInThread(): ParseYaml {
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();

  function parse(text: string): Promise<YamlDocument | undefined> {
    clearTimeout(idle);
    const mine = (worker ??= new Worker(program, { resourceLimits: { maxOldGenerationSizeMb: 512 } }));
    mine.ref();
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        mine.off('message', answered).off('error', failed);
        mine.unref();
        idle = setTimeout(end, idleMs).unref();
      };
      const answered = ({ document, refusal }: Parsed) => {
        settle();
        if (refusal === undefined) resolve(document);
        else reject(badRequest(refusal));
      };
      const failed = () => {
        settle();
        end();
        reject(badRequest('error converting YAML to JSON: yaml: document is too complex'));
      };
      const timer = setTimeout(() => {
        settle();
        end();
        reject(
          new StatusError(413, 'RequestEntityTooLarge', 'the YAML takes too long to read: send it as JSON'),
        );
      }, limitMs);
      mine.on('message', answered).on('error', failed);
      mine.postMessage(text);
    });
  }
  const end = () => {
    void worker?.terminate();
    worker = undefined;
  };
  return (text) => {
    if (waiting >= mostWaiting) throw tooManyRequests('too many YAML documents wait to be read', 1);
    waiting++;
    const mine = last.then(() => parse(text)).finally(() => waiting--);
    last = mine.catch(() => {}); // told to the one who asked
    return mine;
  };
}
