import { time } from '../../machinery/clock.ts';
import { isConflict } from '../../machinery/status.ts';
import { command, entry } from '../command.ts';
import { KubectlError } from '../errors.ts';
import { flag } from '../flags.ts';
import { filenameFlags } from '../manifests.ts';
import { changePrinter, outputFlags } from '../output.ts';
import { certificateSigningRequests } from '../resources.ts';
import { objectsOf } from '../targets.ts';

const decision = (name: 'approve' | 'deny', condition: 'Approved' | 'Denied') =>
  command({
    name,
    usage: `certificate ${name} (-f FILENAME | NAME)`,
    summary: `${name === 'approve' ? 'Approve' : 'Deny'} a certificate signing request`,
    description:
      name === 'approve'
        ? 'Approve a certificate signing request. The certificate that is then issued may grant access to the cluster: look at what is asked for first.'
        : 'Deny a certificate signing request: no certificate is issued for it.',
    examples: [
      [`${name === 'approve' ? 'Approve' : 'Deny'} CSR 'csr-sqgzp'`, `kubectl certificate ${name} csr-sqgzp`],
    ],
    flags: {
      ...filenameFlags('identifying the resource to update'),
      ...outputFlags,
      force: flag.bool(`Update the CSR even if it is already ${condition.toLowerCase()}.`),
    },
    async run(context) {
      const { args, flags: f, environment } = context;
      if (!args.length && !f.filename.length)
        throw new KubectlError('one or more CSRs must be specified as <name> or -f <filename>');
      const kube = await context.kube();
      const { infos, errors } = await objectsOf(context, {
        args,
        filename: f.filename,
        recursive: f.recursive,
        defaultType: 'certificatesigningrequests',
      });
      if (errors.length) throw errors[0];
      const print = await changePrinter(context);
      for (const { name: csrName } of infos) {
        const place = { resource: certificateSigningRequests, name: csrName };
        for (let tries = 0; ; tries++) {
          const csr = await kube.get(place);
          const conditions: { type: string }[] = csr.status?.conditions ?? [];
          const opposite = conditions.find(
            ({ type }) => ['Approved', 'Denied'].includes(type) && type !== condition,
          );
          if (opposite)
            throw new KubectlError(
              `certificate signing request ${JSON.stringify(csrName)} is already ${opposite.type}`,
            );
          const already = conditions.some(({ type }) => type === condition);
          const now = time(environment.clock.now());
          const added = {
            type: condition,
            status: 'True',
            reason: condition === 'Approved' ? 'KubectlApprove' : 'KubectlDeny',
            message: `This CSR was ${condition.toLowerCase()} by kubectl certificate ${name}.`,
            lastUpdateTime: now,
            lastTransitionTime: now,
          };
          const wanted = already
            ? csr
            : { ...csr, status: { ...csr.status, conditions: [...conditions, added] } };
          try {
            if (!already || f.force) await kube.update(place, wanted, { subresource: 'approval' });
            print(wanted, condition.toLowerCase());
            break;
          } catch (error) {
            if (!isConflict(error) || tries >= 10) throw error;
          }
        }
      }
    },
  });

export const certificate = command({
  name: 'certificate',
  usage: 'certificate SUBCOMMAND',
  summary: 'Modify certificate resources',
  description: 'Modify certificate resources.',
  commands: [entry(decision('approve', 'Approved')), entry(decision('deny', 'Denied'))],
});
