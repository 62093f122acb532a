// Runs inside a network namespace of a test: serves and calls, as told by JSON lines on standard input.

import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

export type Command = { id: number } & (
  | { do: 'serve'; protocol: 'tcp' | 'udp'; port: number; host?: string; name: string }
  | { do: 'call'; protocol: 'tcp' | 'udp'; host: string; port: number; count: number; localPort?: number }
);

const timeoutMs = 700;

function serve(
  protocol: 'tcp' | 'udp',
  port: number,
  host: string | undefined,
  name: string,
): Promise<string[]> {
  return new Promise((resolve, reject) => {
    if (protocol === 'tcp') {
      const server = createServer((socket) => {
        socket.on('error', () => socket.destroy()); // the caller went away: nothing to answer
        socket.end(`${name} ${socket.remoteAddress?.replace('::ffff:', '')}`);
      });
      server.on('error', reject).listen(port, host ?? '0.0.0.0', () => resolve([]));
    } else {
      const socket = createSocket('udp4');
      socket.on('message', (_data, from) => socket.send(`${name} ${from.address}`, from.port, from.address));
      socket.on('error', reject).bind(port, host, () => resolve([]));
    }
  });
}

function callTcp(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host, port });
    socket.setTimeout(timeoutMs, () => socket.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })));
    socket.on('data', (data) => {
      text += data;
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on('close', () => resolve(text));
  });
}

function callUdp(host: string, port: number, localPort = 0): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    const done = (answer: string) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => done('TIMEOUT'), timeoutMs);
    socket.on('message', (data) => done(data.toString()));
    socket.on('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    // Connected, so that an ICMP error reaches us.
    socket.bind(localPort, () => socket.connect(port, host, () => socket.send('?')));
  });
}

async function call({ protocol, host, port, count, localPort }: Command & { do: 'call' }): Promise<string[]> {
  const answers: string[] = [];
  while (answers.length < count)
    answers.push(await (protocol === 'tcp' ? callTcp(host, port) : callUdp(host, port, localPort)));
  return answers;
}

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const command = JSON.parse(line) as Command;
    const answers = await (command.do === 'call'
      ? call(command)
      : serve(command.protocol, command.port, command.host, command.name)
    ).catch((error) => [String(error)]);
    process.stdout.write(`${JSON.stringify({ id: command.id, answers })}\n`);
  })
  .on('close', () => process.exit());
process.stdout.write('{"id":0,"answers":[]}\n');
