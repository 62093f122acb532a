export type { Node, Pod, Service } from '../api/core/v1.gen.ts';
export type { RuntimeClass } from '../api/node/v1.gen.ts';
