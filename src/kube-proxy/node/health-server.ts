import { createServer, type Server } from 'node:http';
import { type HealthServerFactory, healthAnswer, type ServiceHealth } from '../health.ts';

/** Listens on each service's health check port, on all addresses unless a host is given. */
export const healthServer =
  (host?: string): HealthServerFactory =>
  (log) => {
    const servers = new Map<number, { server: Server; health: ServiceHealth }>();

    const listen = (health: ServiceHealth): Promise<void> =>
      new Promise((resolve) => {
        const server = createServer((_request, response) => {
          const { status, headers, body } = healthAnswer(servers.get(health.port)?.health ?? health);
          response.writeHead(status, headers).end(body);
        });
        server.on('error', (error) => {
          log.warn('health check port not served', { port: health.port, service: health.service, error });
          servers.delete(health.port); // the next update tries again
          resolve();
        });
        servers.set(health.port, { server, health });
        server.listen(health.port, host, resolve);
      });
    const close = (port: number): Promise<void> =>
      new Promise((resolve) => {
        const { server } = servers.get(port)!;
        servers.delete(port);
        server.close(() => resolve());
        server.closeAllConnections();
      });

    return {
      async update(services) {
        const wanted = new Map(services.map((health) => [health.port, health]));
        await Promise.all([...servers.keys()].filter((port) => !wanted.has(port)).map(close));
        await Promise.all(
          [...wanted.values()].map(async (health) => {
            const known = servers.get(health.port);
            if (known) known.health = health;
            else await listen(health);
          }),
        );
      },
      async [Symbol.asyncDispose]() {
        await Promise.all([...servers.keys()].map(close));
      },
    };
  };
