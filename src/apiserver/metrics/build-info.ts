import type { MetricRegistry } from '../../machinery/metrics.ts';
import { version } from '../http/version.ts';

/** What every component tells of the Kubernetes that it is. */
export function buildInfo(registry: MetricRegistry): void {
  const { major, minor, gitVersion, gitCommit, gitTreeState, buildDate, goVersion } = version;
  const { compiler, platform } = version;
  registry
    .gauge(
      'kubernetes_build_info',
      "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, Go version, and compiler from which Kubernetes was built, and platform on which it is running.",
      [
        ...['major', 'minor', 'git_version', 'git_commit', 'git_tree_state', 'build_date'],
        ...['go_version', 'compiler', 'platform'],
      ],
      'BETA',
    )
    .with(
      ...[major, minor, gitVersion, gitCommit, gitTreeState, buildDate],
      ...[goVersion, compiler, platform],
    )
    .set(1);
}
