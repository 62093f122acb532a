import { isStatusError } from '../../../machinery/status.ts';
import { command } from '../../command.ts';
import { KubectlError } from '../../errors.ts';
import { flag } from '../../flags.ts';
import { objectPrinter, outputFlags } from '../../output.ts';
import { serviceAccounts } from '../../resources.ts';
import { nameArgument } from './generate.ts';

const boundKinds = ['Node', 'Pod', 'Secret'];

export const createToken = command({
  name: 'token',
  usage: 'create token SERVICE_ACCOUNT_NAME',
  summary: 'Request a service account token',
  examples: [['Request a token for a service account', 'kubectl create token builder --duration=10m']],
  flags: {
    ...outputFlags,
    audience: flag.stringArray('Audience of the requested token; may be repeated.'),
    'bound-object-kind': flag.string('Kind of an object to bind the token to: Node, Pod or Secret.'),
    'bound-object-name': flag.string('Name of an object to bind the token to.'),
    'bound-object-uid': flag.string('UID of an object to bind the token to.'),
    duration: flag.duration('Requested lifetime of the issued token.'),
  },
  async run(context) {
    const name = nameArgument(context);
    const { audience, duration, output, 'bound-object-kind': kind } = context.flags;
    const { 'bound-object-name': boundName, 'bound-object-uid': uid } = context.flags;
    if (duration < 0) throw new KubectlError('--duration must be greater than or equal to 0');
    if (duration % 1000) throw new KubectlError('--duration cannot be expressed in units less than seconds');
    if (audience.includes('')) throw new KubectlError('--audience must not be an empty string');
    if (!kind && (boundName || uid))
      throw new KubectlError(
        `--bound-object-${boundName ? 'name' : 'uid'} can only be set if --bound-object-kind is provided`,
      );
    if (kind && !boundKinds.includes(kind))
      throw new KubectlError(`supported --bound-object-kind values are ${boundKinds.join(', ')}`);
    if (kind && !boundName)
      throw new KubectlError('--bound-object-name is required if --bound-object-kind is provided');
    const spec = {
      audiences: audience.length ? audience : null,
      ...(duration ? { expirationSeconds: duration / 1000 } : {}),
      ...(kind
        ? { boundObjectRef: { kind, apiVersion: 'v1', name: boundName, ...(uid ? { uid } : {}) } }
        : {}),
    };
    const kube = await context.kube();
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec };
    const response = await kube
      .create(serviceAccounts, { namespace: kube.namespace, name }, body, { subresource: 'token' })
      .catch((error) => {
        if (isStatusError(error) && error.code !== 503)
          throw new KubectlError(`failed to create token: ${error.message}`);
        throw error;
      });
    if (!response.status?.token)
      throw new KubectlError('failed to create token: no token in server response');
    if (output) {
      const print = await objectPrinter(context.environment, context.flags);
      print({ kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', ...response }, context.out);
    } else context.out.write(response.status.token + (context.environment.stdout.isTerminal ? '\n' : ''));
  },
});
