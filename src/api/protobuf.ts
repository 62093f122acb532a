import { kubernetesCodec } from '../machinery/protobuf/kubernetes.ts';
import { protoMessages, typeFacts } from './facts.gen.ts';

/** Protobuf of all built-in kinds. */
export const protobuf = kubernetesCodec(typeFacts, protoMessages);
