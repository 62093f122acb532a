import type { HistoryWindow } from '../machinery/history.ts';

/** What an API server can be told, mostly by upstream's flags of the same names. */
export interface ApiServerSettings {
  /** A file of kind EncryptionConfiguration. */
  encryptionConfig?: string;
  /** How much of the past is kept. */
  history?: HistoryWindow;
  maxRequestsInflight?: number;
  maxMutatingRequestsInflight?: number;
  /** How long it goes on, not ready, before it ends. */
  shutdownDelayMs?: number;
  audit?: AuditSettings;
  requestHeader?: RequestHeaderSettings;
  /** How long events are kept. */
  eventTtlMs?: number;
  sharing?: SharingSettings;
  kubelet?: KubeletSettings;
  /** PEM files: what it shows of itself to the servers of aggregated APIs, instead of what it makes itself. */
  proxyClient?: { certFile: string; keyFile: string };
}

/** What several servers of one cluster have in common, and how each is known. */
export interface SharingSettings {
  /** The address that others are told, for the endpoints of the Service `kubernetes`. */
  advertiseAddress?: string;
  /** Whether the endpoints of the Service `kubernetes` are kept. */
  endpointReconciler: 'lease' | 'none';
  /** Where authorities and the key of tokens are; made there when they are missing. */
  certDir?: string;
  /** PEM files. */
  clientCAFile?: string;
  serving?: { certFile: string; keyFile: string };
  /** The first signs tokens; those of all are believed. */
  issuers: string[];
  signingKeyFile?: string;
  /** Keys with which tokens may be signed, too. */
  keyFiles: string[];
  etcd: { caFile?: string; certFile?: string; keyFile?: string };
}

export interface KubeletSettings {
  /** PEM files: who we are to kubelets, instead of a certificate of our own making; and who vouches for them. */
  client?: { certFile: string; keyFile: string };
  caFile?: string;
  addressTypes?: string[];
}

export interface AuditSettings {
  policyFile: string;
  /** A file, or `-` for standard output. */
  logPath?: string;
  logFormat: 'json' | 'legacy';
  logMaxAgeDays: number;
  logMaxBackups: number;
  logMaxSizeMB: number;
  logCompress: boolean;
  /** A kubeconfig that says where the webhook is. */
  webhookConfigFile?: string;
  webhookBufferSize: number;
  webhookMaxBatchSize: number;
  webhookMaxWaitMs: number;
  webhookInitialBackoffMs: number;
}

export interface RequestHeaderSettings {
  clientCAFile: string;
  allowedNames: string[];
  usernameHeaders: string[];
  uidHeaders: string[];
  groupHeaders: string[];
  extraHeaderPrefixes: string[];
}
