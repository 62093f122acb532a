// What flow control is doing, for people: one table for levels, one for queues, one for requests, as upstream prints them.
import type { Attributes } from '../authz/rbac.ts';
import type { PathHandler } from '../http/handler.ts';
import type { FlowControl } from './flow-control.ts';
import type { Ticket } from './queue-set.ts';

const prefix = '/debug/api_priority_and_fairness/';

/** Cells under one another; each but the last in a row is followed by a comma. */
function table(rows: (string | number | boolean)[][]): string {
  const cells = rows.map((row) => row.map((cell, i) => (i < row.length - 1 ? `${cell},` : String(cell))));
  const widths = cells[0]!.map((_, i) => Math.max(8, ...cells.map((row) => (row[i]?.length ?? 0) + 1)));
  const line = (row: string[]) =>
    row.map((cell, i) => (i < row.length - 1 ? cell.padEnd(widths[i]!) : cell)).join('');
  return `${cells.map(line).join('\n')}\n`;
}

const iso = (ms: number): string => (ms ? new Date(ms).toISOString() : '0001-01-01T00:00:00Z');

function levelsOf(flow: FlowControl): string {
  const rows = [...flow.levels.values()]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, set, quiescing }) => [
      name,
      set.queues.filter((queue) => queue.waiting.length).length,
      set.idle,
      quiescing,
      set.waiting,
      set.executing,
      set.dispatched,
      set.rejected,
      set.timedOut,
      set.cancelled,
    ]);
  const head =
    'PriorityLevelName ActiveQueues IsIdle IsQuiescing WaitingRequests ExecutingRequests DispatchedRequests RejectedRequests TimedoutRequests CancelledRequests';
  return table([head.split(' '), ...rows]);
}

function queuesOf(flow: FlowControl): string {
  const rows = [...flow.levels.values()].flatMap(({ name, set }) =>
    set.queues.map((queue) => [
      name,
      queue.index,
      queue.waiting.length,
      queue.executing,
      queue.seatsInUse,
      `${queue.nextDispatchR.toFixed(8)}ss`,
      queue.waiting.reduce((sum, ticket) => sum + ticket.work.seats, 0),
      queue.waiting.reduce((sum, ticket) => sum + ticket.width, 0),
      `${queue.workWaiting.toFixed(8)}ss`,
    ]),
  );
  const head =
    'PriorityLevelName Index PendingRequests ExecutingRequests SeatsInUse NextDispatchR InitialSeatsSum MaxSeatsSum TotalWorkSum';
  return table([head.split(' '), ...rows]);
}

function requestsOf(flow: FlowControl, details: boolean): string {
  const row = (level: string, ticket: Ticket, index: number): (string | number)[] => {
    const { stats, queue, work } = ticket;
    const {
      user,
      verb,
      path = '',
      namespace = '',
      name = '',
      group = '',
      ...what
    } = ticket.subject as Attributes;
    const { version = '', resource = '', subresource = '' } = what;
    return [
      level,
      stats.schema,
      queue?.index ?? -1,
      index,
      ticket.flow,
      iso(ticket.arrivedMs),
      work.seats,
      work.finalSeats,
      `${work.lingerMs}ms`,
      iso(ticket.startedMs),
      ...(details
        ? [
            user.name,
            verb,
            path,
            namespace,
            name,
            group ? `${group}/${version}` : version,
            resource,
            subresource,
          ]
        : []),
    ];
  };
  const rows = [...flow.levels.values()].flatMap(({ name, set }) => [
    ...set.queues.flatMap((queue) => queue.waiting.map((ticket, i) => row(name, ticket, i))),
    ...[...set.running].map((ticket) => row(name, ticket, -1)),
  ]);
  const head =
    'PriorityLevelName FlowSchemaName QueueIndex RequestIndexInQueue FlowDistingsher ArriveTime InitialSeats FinalSeats AdditionalLatency StartTime';
  const more = 'UserName Verb APIPath Namespace Name APIVersion Resource SubResource';
  return table([[...head.split(' '), ...(details ? more.split(' ') : [])], ...rows]);
}

/** `/debug/api_priority_and_fairness/dump_priority_levels`, `dump_queues`, and `dump_requests[?includeRequestDetails=1]`. */
export const flowControlPaths: PathHandler = ({ flow }, exchange) => {
  if (!exchange.path.startsWith(prefix)) return false;
  const text = {
    dump_priority_levels: () => levelsOf(flow),
    dump_queues: () => queuesOf(flow),
    dump_requests: () => requestsOf(flow, Boolean(exchange.query.get('includeRequestDetails'))),
  }[exchange.path.slice(prefix.length)];
  if (!text) return false;
  exchange.respond(200, { 'content-type': 'text/plain; charset=utf-8' }, text());
  return true;
};
