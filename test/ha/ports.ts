import { createServer } from 'node:net';

const taken = new Set<number>();

/**
 * A free port that the system gives to nobody who connects from somewhere: what is stopped must find its port free when it
 * starts again, and who dials it meanwhile must not get it himself.
 */
export async function lowPort(): Promise<number> {
  while (true) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (!taken.has(port) && (await isFree(port))) {
      taken.add(port);
      return port;
    }
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
