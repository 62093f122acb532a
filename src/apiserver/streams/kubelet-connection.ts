// What the API server needs of a node's kubelet. In one process the kubelet is called directly; for nodes elsewhere an
// implementation speaks to the kubelet's HTTPS server. Rejections are StatusErrors.

export interface KubeletConnections {
  /** Undefined when no kubelet of that name is known. */
  find(nodeName: string): KubeletConnection | undefined;
}

export interface PodRef {
  namespace: string;
  name: string;
}

export interface StreamOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** As PodLogOptions, without the container. */
export interface LogOptions {
  follow?: boolean;
  previous?: boolean;
  timestamps?: boolean;
  tailLines?: number;
  sinceSeconds?: number;
  /** RFC 3339. */
  sinceTime?: string;
  limitBytes?: number;
  stream?: 'All' | 'Stdout' | 'Stderr';
}

/** An endpoint that speaks SPDY/3.1 after an upgrade (POST). http, or https with what proves who we are. */
export interface StreamEndpoint {
  url: string;
  headers?: Record<string, string>;
  tls?: { ca?: string; cert?: string; key?: string; insecure?: boolean; serverName?: string };
}

/** A request to a path of the kubelet's own: `/metrics`, `/stats/summary`, `/healthz`, `/pods`, `/containerLogs/...`. */
export interface KubeletRequest {
  method: string;
  /** With the leading slash, and without the query. */
  path: string;
  query: URLSearchParams;
  headers: Record<string, string | string[] | undefined>;
  body(): AsyncIterable<Uint8Array>;
  signal: AbortSignal;
}

export interface KubeletAnswer {
  code: number;
  headers: Record<string, string | string[]>;
  body: Uint8Array | string | AsyncIterable<Uint8Array>;
}

export interface KubeletConnection {
  logs(
    pod: PodRef,
    container: string,
    options: LogOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
  execUrl(pod: PodRef, container: string, command: string[], options: StreamOptions): Promise<StreamEndpoint>;
  attachUrl(pod: PodRef, container: string, options: StreamOptions): Promise<StreamEndpoint>;
  portForwardUrl(pod: PodRef, ports: number[]): Promise<StreamEndpoint>;
  proxy(request: KubeletRequest): Promise<KubeletAnswer>;
}
