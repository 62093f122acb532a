import { command } from '../command.ts';
import { KubectlError } from '../errors.ts';
import { flag } from '../flags.ts';
import { goYaml } from '../printers/yaml.ts';

export const clientVersion = 'v1.36.2';
/** The kustomize whose files `-k` reads. */
const kustomizeVersion = 'v5.8.1';

interface VersionInfo {
  major: string;
  minor: string;
  gitVersion: string;
  [more: string]: string;
}

export const version = command({
  name: 'version',
  usage: 'version [flags]',
  summary: 'Print the client and server version information',
  examples: [['Print the client and server versions for the current context', 'kubectl version']],
  flags: {
    client: flag.bool('If true, shows client version only (no server required).'),
    output: flag.string("One of 'yaml' or 'json'.", { short: 'o' }),
  },
  async run(context) {
    const { args, flags: f, out, err, environment } = context;
    if (args.length) throw new KubectlError(`extra arguments: [${args.join(' ')}]`);
    if (f.output && f.output !== 'yaml' && f.output !== 'json')
      throw new KubectlError("--output must be 'yaml' or 'json'");
    const [, major, minor] = /^v(\d+)\.(\d+)/.exec(clientVersion)!;
    const client: VersionInfo = {
      major: major!,
      minor: minor!,
      gitVersion: clientVersion,
      gitCommit: '',
      gitTreeState: 'clean',
      buildDate: '2026-01-01T00:00:00Z',
      goVersion: 'none',
      compiler: 'wherry',
      platform: environment.platform,
    };
    let server: VersionInfo | undefined;
    let failure: unknown;
    if (!f.client) {
      try {
        server = JSON.parse(await (await context.kube()).text('/version'));
      } catch (error) {
        failure = error; // the client's version is shown all the same
      }
    }
    const both = { clientVersion: client, kustomizeVersion, ...(server ? { serverVersion: server } : {}) };
    if (f.output === 'json') out.line(JSON.stringify(both, null, 2));
    else if (f.output === 'yaml') out.line(goYaml(both));
    else {
      out.line(`Client Version: ${client.gitVersion}`);
      out.line(`Kustomize Version: ${kustomizeVersion}`);
      if (server) out.line(`Server Version: ${server.gitVersion}`);
    }
    if (failure) throw failure;
    const behind = server ? Number.parseInt(client.minor, 10) - Number.parseInt(server.minor, 10) : 0;
    if (server && (Math.abs(behind) > 1 || server.major !== client.major))
      err.line(
        `WARNING: version difference between client (${client.major}.${client.minor}) and server (${server.major}.${server.minor}) exceeds the supported minor version skew of +/-1`,
      );
  },
});
