// Flags of leader election. Source: "kube-controller-manager", Leader election flags.
import type { LeaderElectionSettings } from '../cluster/election.ts';
import { UserError } from './command.ts';
import { durationMs } from './duration.ts';

/** `on`: what holds when nothing is said; `more`: a component's own, which may have another Lease. */
export const leaderFlags = (on: string, more = false) => [
  {
    name: 'leader-elect',
    value: 'true|false',
    help: `whether one of several processes leads, and the others wait (default ${on})`,
  },
  {
    name: 'leader-elect-lease-duration',
    value: 'DURATION',
    help: 'after how long without a word of the leader another one takes over',
    default: '15s',
  },
  {
    name: 'leader-elect-renew-deadline',
    value: 'DURATION',
    help: 'after how long a leader gives up that cannot say that it is there',
    default: '10s',
  },
  {
    name: 'leader-elect-retry-period',
    value: 'DURATION',
    help: 'how often it says so, and others look',
    default: '2s',
  },
  ...(more
    ? [
        {
          name: 'leader-elect-resource-name',
          value: 'NAME',
          help: "the Lease (default: the component's name)",
        },
        {
          name: 'leader-elect-resource-namespace',
          value: 'NAMESPACE',
          help: 'where it is',
          default: 'kube-system',
        },
      ]
    : []),
];

/** Undefined: everybody leads. Throws a UserError. */
export function leaderSettings(given: object, on: boolean): LeaderElectionSettings | undefined {
  const flags = given as Record<string, string | undefined>;
  const said = flags['leader-elect'];
  if (said !== undefined && said !== 'true' && said !== 'false')
    throw new UserError(`--leader-elect takes "true" or "false", not "${said}".`, 2);
  if (said === undefined ? !on : said === 'false') return undefined;
  const ms = (name: string) => durationMs(name, flags[name]!);
  const [lease, deadline, retry] = [
    ms('leader-elect-lease-duration'),
    ms('leader-elect-renew-deadline'),
    ms('leader-elect-retry-period'),
  ];
  if (lease <= deadline)
    throw new UserError(
      '--leader-elect-lease-duration must be longer than --leader-elect-renew-deadline.',
      2,
    );
  if (deadline <= retry * 1.2)
    throw new UserError(
      '--leader-elect-renew-deadline must be longer than --leader-elect-retry-period and a fifth.',
      2,
    );
  if (retry <= 0) throw new UserError('--leader-elect-retry-period must be longer than nothing.', 2);
  const { 'leader-elect-resource-name': name, 'leader-elect-resource-namespace': namespace } = flags;
  return {
    ...{ leaseDurationMs: lease, renewDeadlineMs: deadline, retryPeriodMs: retry },
    ...(name ? { name } : {}),
    ...(namespace ? { namespace } : {}),
  };
}
