import { kind } from '../define.ts';
import type { CustomResourceDefinition } from './v1.gen.ts';

export const customResourceDefinitions = kind<CustomResourceDefinition>({
  facts: 'apiextensions.k8s.io/v1 CustomResourceDefinition',
});
