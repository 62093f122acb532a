import type { User } from '../apiserver/context.ts';
import { openApiPaths } from '../apiserver/http/openapi.ts';
import { builtInPaths } from '../apiserver/http/paths.ts';
import { inProcessHttp as http } from '../apiserver/in-process-http.ts';
import type { ApiServer } from '../apiserver/server.ts';
import type { HttpClient } from '../client/http.ts';

/** HTTP to an API server in this process, OpenAPI included. Lets kubectl run where there is no network. */
export const inProcessHttp = (server: ApiServer, user: User): HttpClient =>
  http(server, user, [...builtInPaths, openApiPaths()]);
