// What the fields that every object has are for: what `kubectl explain` says of them. In words of our own.
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/

const conventions = 'https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md';

export const apiVersionText = `APIVersion defines the group and version of the schema that this object is written in. Servers convert what they know to the newest form that they have, and may refuse what they do not know. More info: ${conventions}#resources`;
export const kindText = `Kind names the REST resource that this object is one of, in CamelCase. Servers may tell it from the path that a client writes to. It cannot be changed. More info: ${conventions}#types-kinds`;
export const metadataText = `Standard object's metadata. More info: ${conventions}#metadata`;
export const listMetadataText = `Standard list metadata. More info: ${conventions}#types-kinds`;

/** By type id and field; '' is the type itself. */
export const descriptions: Record<string, Record<string, string>> = {
  'meta.v1.ObjectMeta': {
    '': 'ObjectMeta is what every stored object has: what identifies it, and what users and the system note about it.',
    annotations:
      'Annotations is a map of texts that tools and users keep with an object. They cannot be queried, and should be left as they are by whoever changes the object.',
    creationTimestamp:
      'CreationTimestamp is a timestamp of the moment at which the server made the object. Set by the system, read-only.',
    deletionGracePeriodSeconds:
      'Number of seconds that the object is given to end by itself before it is removed. May only be made shorter. Read-only.',
    deletionTimestamp:
      'DeletionTimestamp is the time from which on the object is to be gone. Set by the server when a deletion is asked for, never unset, and only moved to an earlier time.',
    finalizers:
      'Names of those who have something to do before the object may go. The object stays until the list is empty; names are removed, in any order, by those that they stand for.',
    generateName:
      'A prefix from which the server makes a unique name when none is given, by appending random characters.',
    generation: 'A sequence number of the desired state. Set by the system, read-only.',
    labels:
      'Map of keys and values by which objects are organized and selected. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels',
    managedFields:
      'Which manager has set which fields, kept for server-side apply. Users need not set or understand it.',
    name: 'Name must be unique within a namespace. Needed to create an object unless the server is to make one up. Cannot be changed.',
    namespace:
      'Namespace is the space within which each name must be unique. Must be a DNS_LABEL. Not all objects have one. Cannot be changed.',
    ownerReferences:
      'Objects that this one depends on. When all of them are gone, it is collected as garbage. At most one of them is its controller.',
    resourceVersion:
      'An opaque value for the version of the object in the store, by which clients tell that it has changed. Read-only, to be passed back as it came.',
    selfLink: 'Deprecated: no longer set by the system.',
    uid: 'UID is the unique value of this object in time and space, made by the server at creation. Read-only.',
  },
  'meta.v1.ListMeta': {
    '': 'ListMeta is what every list has beside its items.',
    continue: 'A token by which the next part of a list that has been limited is asked for.',
    remainingItemCount: 'How many items follow that are not in this part of the list.',
    resourceVersion: 'The version of the store of which the list tells.',
    selfLink: 'Deprecated: no longer set by the system.',
  },
};

/** Texts of types by the names that upstream's client for JavaScript gives them (`V1Pod`, `CoreV1Event`), and by field. */
export type Texts = Record<string, Record<string, string>>;

/** What is said of a type and its fields: in the texts given, else in our own. */
export function textsOf(typeId: string, given: Texts = {}): Record<string, string> | undefined {
  const [group, version, name] = typeId.split('.') as [string, string, string?];
  if (name === undefined) return descriptions[typeId];
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  const named = capital(version) + name;
  return given[capital(group) + named] ?? given[named] ?? descriptions[typeId];
}
