import { isForbidden, isNotFound } from '../../../machinery/status.ts';
import { command } from '../../command.ts';
import { KubectlError, UsageError } from '../../errors.ts';
import { changePrinter, outputFlags } from '../../output.ts';
import { laidOut, tableTabs } from '../../printers/tabs.ts';
import { selfSubjectReviews, typeMeta } from '../../resources.ts';

export const whoami = command({
  name: 'whoami',
  usage: 'auth whoami',
  summary: 'Experimental: Check self subject attributes',
  examples: [
    ['Get your subject attributes', 'kubectl auth whoami'],
    ['Get your subject attributes in JSON format', 'kubectl auth whoami -o json'],
  ],
  flags: outputFlags,
  async run(context) {
    if (context.args.length) throw new UsageError(`unexpected arguments: [${context.args.join(' ')}]`);
    const kube = await context.kube();
    const review = await ask();
    if (context.flags.output || context.flags.template) {
      (await changePrinter(context))(review, '');
      return;
    }
    const { username, uid, groups, extra = {} } = review.status.userInfo;
    const rows: [string, string][] = [['ATTRIBUTE', 'VALUE']];
    if (username) rows.push(['Username', username]);
    if (uid) rows.push(['UID', uid]);
    if (groups?.length) rows.push(['Groups', `[${groups.join(' ')}]`]);
    for (const key of Object.keys(extra).sort()) rows.push([`Extra: ${key}`, `[${extra[key].join(' ')}]`]);
    context.out.write(laidOut(tableTabs, rows.map((row) => `${row.join('\t')}\n`).join('')));

    async function ask() {
      try {
        return await kube.create(selfSubjectReviews, {}, { ...typeMeta(selfSubjectReviews), metadata: {} });
      } catch (error) {
        if (isForbidden(error))
          throw new KubectlError(
            'the selfsubjectreviews API is not enabled in the cluster or you do not have permission to call it',
          );
        if (isNotFound(error))
          throw new KubectlError('the selfsubjectreviews API is not enabled in the cluster');
        throw error;
      }
    }
  },
});
