// The forms of names: labels, DNS names, qualified names. Each function returns what is wrong, [] when nothing is.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/names/

const regexHint = (message: string, pattern: string, ...examples: string[]): string => {
  const list = examples.map((example, i) => `${i ? ' or ' : ''}'${example}', `).join('');
  return `${message} (e.g. ${list}regex used for validation is '${pattern}')`;
};

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const LABEL_VALUE = `(${QUALIFIED})?`;
const ENV_NAME = '[-._a-zA-Z][-._a-zA-Z0-9]*';
const CONFIG_KEY = '[-._a-zA-Z0-9]+';
const C_IDENTIFIER = '[A-Za-z_][A-Za-z0-9_]*';
const whole = (pattern: string): RegExp => new RegExp(`^${pattern}$`);

const label = whole(LABEL);
const label1035 = whole(LABEL_1035);
const subdomain = whole(SUBDOMAIN);
const wildcardSubdomain = whole(`\\*\\.${SUBDOMAIN}`);
const qualified = whole(QUALIFIED);
const labelValue = whole(LABEL_VALUE);
const envName = whole(ENV_NAME);
const configKey = whole(CONFIG_KEY);
const cIdentifier = whole(C_IDENTIFIER);
const tooLong = (max: number): string => `must be no more than ${max} bytes`;

const LABEL_TEXT = regexHint(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  LABEL,
  'my-name',
  '123-abc',
);
const SUBDOMAIN_TEXT = regexHint(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  SUBDOMAIN,
  'example.com',
);
const QUALIFIED_TEXT = regexHint(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  QUALIFIED,
  'MyName',
  'my.name',
  '123-abc',
);

// Names are nearly always ASCII, where length in bytes is length in characters.
const longerThan = (value: string, max: number): boolean => value.length > max;

/** RFC 1123 label: at most 63 of a-z, 0-9 and '-'. */
export function dnsLabelProblems(value = ''): string[] {
  const problems: string[] = [];
  if (longerThan(value, 63)) problems.push(tooLong(63));
  if (!label.test(value)) problems.push(subdomain.test(value) ? 'must not contain dots' : LABEL_TEXT);
  return problems;
}

/** RFC 1035 label: as above, but begins with a letter (Service names). */
export function dns1035LabelProblems(value = ''): string[] {
  const problems: string[] = [];
  if (longerThan(value, 63)) problems.push(tooLong(63));
  if (!label1035.test(value))
    problems.push(
      regexHint(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
        LABEL_1035,
        'my-name',
        'abc-123',
      ),
    );
  return problems;
}

/** RFC 1123 subdomain: labels joined by dots, at most 253. */
export function dnsSubdomainProblems(value = ''): string[] {
  const problems: string[] = [];
  if (longerThan(value, 253)) problems.push(tooLong(253));
  if (!subdomain.test(value)) problems.push(SUBDOMAIN_TEXT);
  return problems;
}

export function wildcardSubdomainProblems(value = ''): string[] {
  const problems: string[] = [];
  if (longerThan(value, 253)) problems.push(tooLong(253));
  if (!wildcardSubdomain.test(value))
    problems.push(
      regexHint(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
        `\\*\\.${SUBDOMAIN}`,
        '*.example.com',
      ),
    );
  return problems;
}

/** A label's key: `[prefix/]name`. What is not there is no name, either. */
export function qualifiedNameProblems(value = ''): string[] {
  const problems: string[] = [];
  const parts = value.split('/');
  let name: string;
  if (parts.length === 1) name = parts[0]!;
  else if (parts.length === 2) {
    name = parts[1]!;
    if (!parts[0]) problems.push('prefix part must be non-empty');
    else problems.push(...dnsSubdomainProblems(parts[0]).map((p) => `prefix part ${p}`));
  } else
    return [
      `a qualified name ${QUALIFIED_TEXT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  if (!name) problems.push('name part must be non-empty');
  else if (longerThan(name, 63)) problems.push(`name part ${tooLong(63)}`);
  if (!qualified.test(name)) problems.push(`name part ${QUALIFIED_TEXT}`);
  return problems;
}

export function labelValueProblems(value = ''): string[] {
  const problems: string[] = [];
  if (longerThan(value, 63)) problems.push(tooLong(63));
  if (!labelValue.test(value))
    problems.push(
      regexHint(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        LABEL_VALUE,
        'MyValue',
        'my_value',
        '12345',
      ),
    );
  return problems;
}

/** Names in URLs' paths (RBAC roles, nodes of etcd): not `.` or `..`, no `/` and no `%`. */
export function pathSegmentProblems(value = ''): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((c) => value.includes(c)).map((c) => `may not contain '${c}'`);
}

/** Environment variable names: any printable ASCII but '='. */
export function envVarNameProblems(value = ''): string[] {
  if (!value) return ['environment variable name must be non-empty'];
  return /^[ -<>-~]+$/.test(value)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

/** The older, stricter form of environment variable names, which a kubelet still needs for `envFrom`. */
export const isStrictEnvName = (value: string): boolean => envName.test(value);
export const isCIdentifier = (value: string): boolean => cIdentifier.test(value);

export function configKeyProblems(value = ''): string[] {
  const problems: string[] = [];
  if (longerThan(value, 253)) problems.push(tooLong(253));
  if (!configKey.test(value))
    problems.push(
      regexHint(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        CONFIG_KEY,
        'key.name',
        'KEY_NAME',
        'key-name',
      ),
    );
  if (value === '.') problems.push("must not be '.'");
  else if (value === '..') problems.push("must not be '..'");
  else if (value.startsWith('..')) problems.push("must not start with '..'");
  return problems;
}

/** IANA service names: ports by name. */
export function portNameProblems(value = ''): string[] {
  const problems: string[] = [];
  if (longerThan(value, 15)) problems.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/.test(value))
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) problems.push('must contain at least one letter (a-z)');
  if (value.includes('--')) problems.push('must not contain consecutive hyphens');
  if (value && (value.startsWith('-') || value.endsWith('-')))
    problems.push('must not begin or end with a hyphen');
  return problems;
}

export const portProblems = (port: number): string[] =>
  Number.isInteger(port) && port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive'];
