// What `--v=6` and more tells of each request, in the words of client-go's log.
import type { Exchange } from '../client/http.ts';
import type { Environment } from './environment.ts';

const reasons: Record<number, string> = {
  101: 'Switching Protocols',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  409: 'Conflict',
  410: 'Gone',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Entity',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};

const canonical = (name: string): string => name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase());

/** Headers one below the other; what says who we are is not shown. */
const listed = (headers: Record<string, string>): string => {
  const lines = Object.entries(headers).map(([name, value]) => {
    const shown = /^authorization$/i.test(name) ? value.replace(/ .*/, ' <masked>') : value;
    return `\t${canonical(name)}: ${shown}\n`;
  });
  return `<\n${lines.sort().join('')} >`;
};

/** Tells each exchange on standard error: from 6 on in one line, from 8 on with its headers. */
export function exchangeLog(environment: Environment, level: number): (exchange: Exchange) => void {
  const say = (text: string) => {
    const [day, time] = new Date(environment.clock.now()).toISOString().replace('Z', '000').split('T');
    environment.stderr.write(`I${day!.slice(5).replace('-', '')} ${time}       1 kubectl] ${text}\n`);
  };
  return ({ method, url, status, milliseconds, headers, answered }) => {
    const what = `verb=${JSON.stringify(method)} url=${JSON.stringify(url)}`;
    const how = `status=${JSON.stringify(`${status} ${reasons[status] ?? ''}`.trim())}`;
    if (level < 8) return say(`"Response" ${what} ${how} milliseconds=${milliseconds}`);
    say(`"Request" ${what} headers=${listed(headers)}`);
    say(`"Response" ${how} headers=${listed(answered)} milliseconds=${milliseconds}`);
  };
}
