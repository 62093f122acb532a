import type { Kind } from '../machinery/kind.ts';
import type { KubeObject } from '../machinery/meta.ts';
import type { ApiRequest, Client, Options, ResourceClient, Transport } from './client.ts';

/** Typed access over a transport: in process, or HTTPS. */
export function createClient(transport: Transport): Client {
  return <T extends KubeObject>(kind: Kind<T>): ResourceClient<T> => {
    const base = {
      group: kind.group,
      version: kind.version,
      plural: kind.plural,
      namespaced: kind.namespaced,
    };
    const request = (
      verb: ApiRequest['verb'],
      more: Partial<ApiRequest>,
      options: Options & { namespace?: string; subresource?: string; type?: unknown } = {},
    ): ApiRequest => {
      const { namespace, subresource, type: _, ...rest } = options;
      return { verb, ...base, namespace, subresource, options: rest, ...more };
    };
    return {
      get: (name, options) => transport.request(request('get', { name }, options)),
      list: (options) => transport.request(request('list', {}, options)),
      watch: (options) => transport.watch(request('watch', {}, options)) as any,
      create: (object, options) =>
        transport.request(request('create', { namespace: object.metadata.namespace, body: object }, options)),
      createSubresource: (name, subresource, body, options) =>
        transport.request(request('create', { name, subresource, body }, options)),
      update: (object, options) =>
        transport.request(
          request(
            'update',
            { namespace: object.metadata.namespace, name: object.metadata.name, body: object },
            options,
          ),
        ),
      updateStatus: (object, options) =>
        transport.request(
          request(
            'update',
            {
              namespace: object.metadata.namespace,
              name: object.metadata.name,
              body: object,
              subresource: 'status',
            },
            options,
          ),
        ),
      patch: (name, patch, options) =>
        transport.request(
          request('patch', { name, body: patch, patchType: options?.type ?? 'merge' }, options),
        ),
      delete: (name, options) => transport.request(request('delete', { name }, options)),
      deleteCollection: (options) => transport.request(request('deletecollection', {}, options)),
    };
  };
}
