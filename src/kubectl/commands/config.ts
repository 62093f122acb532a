import { command, entry } from '../command.ts';
import * as change from './config/change.ts';
import { set, unset } from './config/property.ts';
import * as view from './config/view.ts';

export const config = command({
  name: 'config',
  usage: 'config SUBCOMMAND',
  summary: 'Modify kubeconfig files',
  description: `Modify kubeconfig files using subcommands like "kubectl config set current-context my-context".

 The loading order follows these rules:

  1.  If the --kubeconfig flag is set, then only that file is loaded.
  2.  If $KUBECONFIG is set, then it is a list of paths, and the files are merged. A value is modified in the file that has it; what is new goes to the first file that exists, or else to the last of the list.
  3.  Otherwise, \${HOME}/.kube/config is used.`,
  commands: [
    view.currentContext,
    change.deleteCluster,
    change.deleteContext,
    change.deleteUser,
    view.getClusters,
    view.getContexts,
    view.getUsers,
    change.renameContext,
    set,
    change.setCluster,
    change.setContext,
    change.setCredentials,
    unset,
    change.useContext,
    view.view,
  ].map(entry),
});
