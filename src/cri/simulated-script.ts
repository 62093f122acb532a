// What a simulated container does: read off its command as far as a command is simple, so that Jobs end and crash loops
// crash without real processes.
//
//   ['sh', '-c', 'echo hello; sleep 2; exit 3']   writes 'hello' at once, ends after 2 s with code 3
//   ['sleep', '60']                               ends after a minute with code 0
//   ['nginx', '-g', 'daemon off;']                anything else runs until it is stopped

/** What is written and when it ends, in milliseconds after the start. No `end`: it runs until it is stopped. */
export interface Course {
  readonly output: readonly { readonly atMs: number; readonly text: string }[];
  readonly end: { readonly atMs: number; readonly code: number } | undefined;
}

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** '5s', '1.5m', '200ms', '7' (seconds) as milliseconds; undefined for what is not a duration. */
export function durationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  return match ? Number(match[1]) * units[match[2] ?? 's']! : undefined;
}

const isShell = (program: string | undefined): boolean => /(?:^|\/)(?:sh|bash|ash|dash)$/.test(program ?? '');
const baseName = (program: string): string => program.slice(program.lastIndexOf('/') + 1);

/** Reads an argument list. Of a shell's script only plain sequences of echo, sleep, exit, true and false are understood. */
export function courseOf(argv: readonly string[]): Course {
  const dashC = argv.findIndex((word) => /^-[a-z]*c$/.test(word));
  const script = isShell(argv[0]) && dashC > 0 ? argv[dashC + 1] : undefined;
  const statements = script === undefined ? [argv] : script.split(/;|&&|\n/).map(words);
  const output: { atMs: number; text: string }[] = [];
  let atMs = 0;
  let code = 0;
  for (const [program, ...args] of statements) {
    if (program === undefined) continue;
    const name = baseName(program);
    if (name === 'echo') output.push({ atMs, text: args.join(' ') });
    else if (name === 'sleep') {
      const pauseMs = durationMs(args[0] ?? '');
      if (pauseMs === undefined) return { output, end: undefined }; // sleep infinity
      atMs += pauseMs;
      code = 0;
    } else if (name === 'exit') return { output, end: { atMs, code: (Number(args[0] ?? code) || 0) & 255 } };
    else if (name === 'true' || name === ':') code = 0;
    else if (name === 'false') code = 1;
    else return { output, end: undefined };
  }
  // No command at all is an image's own, of which nothing is known: a server.
  return { output, end: statements.some((statement) => statement.length > 0) ? { atMs, code } : undefined };
}

const words = (statement: string): string[] =>
  [...statement.matchAll(/"([^"]*)"|'([^']*)'|([^\s"']+)/g)].map(
    (match) => match[1] ?? match[2] ?? match[3]!,
  );

/** Runs a command to its end in no time: for probes and hooks. What is not understood succeeds without output. */
export function execute(argv: readonly string[]): { stdout: string; code: number; tookMs: number } {
  const { output, end } = courseOf(argv);
  return {
    stdout: output.map(({ text }) => `${text}\n`).join(''),
    code: end?.code ?? 0,
    tookMs: argv.length > 0 && end ? end.atMs : 0,
  };
}
