// Parses YAML in a thread of its own: megabytes of it take seconds, and everybody else would wait.
import { parentPort } from 'node:worker_threads';
import { isStatusError } from '../../machinery/status.ts';
import { parseFirstYaml } from '../../machinery/yaml.ts';
import type { Parsed } from './yaml.ts';

parentPort!.on('message', (text: string) => {
  let answer: Parsed;
  try {
    answer = { document: parseFirstYaml(text) };
  } catch (error) {
    if (!isStatusError(error)) throw error;
    answer = { refusal: error.message };
  }
  parentPort!.postMessage(answer);
});
