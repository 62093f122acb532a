import { horizontalPodAutoscalersV1 } from '../../api/autoscaling/horizontal-pod-autoscaler-v1.ts';
import { eventsV1 } from '../../api/events/event.ts';
import { protobuf } from '../../api/protobuf.ts';
import { apiVersionOf, type Kind } from '../../machinery/kind.ts';
import type { AnyObject } from '../../machinery/meta.ts';
import { openEnvelope } from '../../machinery/protobuf/kubernetes.ts';
import { autoscalingConversion, eventConversion } from '../conversions.ts';
import { definitionFromBeta } from './stored-definition.ts';

const decoder = new TextDecoder();

/** Other forms in which another API server may have stored what we store in ours. */
const others = [
  { kind: eventsV1, convert: eventConversion.toStorage },
  { kind: horizontalPodAutoscalersV1, convert: autoscalingConversion.toStorage },
];

/** `k8s\0`: protobuf in an envelope. */
const isProtobuf = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x6b && bytes[1] === 0x38 && bytes[2] === 0x73 && bytes[3] === 0;

const definitionBeta = 'apiextensions.k8s.io/v1beta1';

/**
 * An object as it is in the store: JSON, which we write, or protobuf, which upstream's API server writes of built-in kinds;
 * it writes definitions of custom resources as JSON of an older version. What upstream leaves to defaults, such as the kind
 * of a volume claim template, gets them here. Throws an Error that names the key.
 */
export function decodeStored(kind: Kind<any>, key: string, value: Uint8Array): AnyObject {
  try {
    const theirs = isProtobuf(value) ? fromProtobuf(kind, value) : undefined;
    const object = theirs ?? JSON.parse(decoder.decode(value));
    if (theirs) kind.rules.defaults?.(theirs);
    return object.apiVersion === definitionBeta ? definitionFromBeta(object) : object;
  } catch (error) {
    throw new Error(`the store's value of ${key} cannot be read (${(error as Error).message})`, {
      cause: error,
    });
  }
}

function fromProtobuf(kind: Kind<any>, value: Uint8Array): AnyObject {
  const { apiVersion, kind: name, raw } = openEnvelope(value)!;
  const own = apiVersionOf(kind);
  const read = (type: string): AnyObject => ({ kind: name, apiVersion, ...protobuf.decode(raw, type) });
  if (apiVersion === own && protobuf.knows(kind.type)) return read(kind.type);
  const other = others.find((one) => apiVersionOf(one.kind) === apiVersion && one.kind.kind === name);
  if (!other) throw new Error(`it is stored as ${name} of ${apiVersion}, and not of ${own}`);
  return { ...other.convert(read(other.kind.type)), apiVersion: own };
}
