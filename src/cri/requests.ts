import { CriError, type CriMethod, type CriRequest } from './cri.ts';

/**
 * Refuses, before they are sent, requests that lack what every runtime takes for granted: containerd 1.6 does not
 * check and dies of a nil pointer, and with it go all calls that are under way.
 */
export function checkRequest(method: CriMethod, request: object): void {
  if (method === 'runPodSandbox') {
    const { config } = request as CriRequest<'runPodSandbox'>;
    if (!config?.metadata) throw invalid(method, 'config.metadata');
  } else if (method === 'createContainer') {
    const { config, sandboxConfig } = request as CriRequest<'createContainer'>;
    if (!config?.metadata) throw invalid(method, 'config.metadata');
    if (!config.image) throw invalid(method, 'config.image');
    if (!sandboxConfig?.metadata) throw invalid(method, 'sandboxConfig.metadata');
  }
}

const invalid = (method: CriMethod, field: string): CriError =>
  new CriError(method, 'INVALID_ARGUMENT', `${method}: ${field} is required`);
