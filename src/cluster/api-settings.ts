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
  /** PEM files: what it shows of itself to the servers of aggregated APIs, instead of what it makes itself. */
  proxyClient?: { certFile: string; keyFile: string };
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
