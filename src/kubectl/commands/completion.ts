import { command } from '../command.ts';
import { KubectlError, UsageError } from '../errors.ts';

// A shell asks kubectl itself, through the hidden command `__complete`: one candidate a line.
const scripts: Record<string, string> = {
  bash: `# bash completion for kubectl
__start_kubectl() {
  local IFS=$'\\n' cur="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$cur"))
}
complete -o default -F __start_kubectl kubectl
`,
  zsh: `#compdef kubectl
compdef _kubectl kubectl
_kubectl() {
  local -a found
  found=(\${(f)"$("\${words[1]}" __complete -- "\${(@)words[2,$CURRENT]}" 2>/dev/null)"})
  compadd -- $found || _files
}
if [ "$funcstack[1]" = "_kubectl" ]; then _kubectl; fi
`,
  fish: `# fish completion for kubectl
function __kubectl_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c kubectl -f -a '(__kubectl_complete)'
`,
};

export const completion = command({
  name: 'completion',
  usage: 'completion SHELL',
  summary: 'Output shell completion code for the specified shell (bash, zsh, fish)',
  description:
    'Output shell completion code for the specified shell (bash, zsh or fish). The shell code must be evaluated to provide interactive completion of kubectl commands.',
  examples: [
    ['Load the completion into the current shell (bash)', 'source <(kubectl completion bash)'],
    ['Load it for every new shell', "echo 'source <(kubectl completion bash)' >> ~/.bashrc"],
    ['Load the completion (fish)', 'kubectl completion fish | source'],
  ],
  async run({ args, out }) {
    if (!args.length) throw new UsageError('Shell not specified.');
    if (args.length > 1) throw new UsageError('Too many arguments. Expected only the shell type.');
    const script = scripts[args[0]!];
    if (!script) throw new UsageError(`Unsupported shell type ${JSON.stringify(args[0])}.`);
    out.write(script);
  },
});

export const complete = command({
  name: '__complete',
  usage: '__complete -- WORDS',
  summary: 'Candidates for the last of the words',
  hidden: true,
  async run(context) {
    const { candidates } = await import('../completing.ts');
    try {
      for (const candidate of await candidates(context, context.args)) context.out.line(candidate);
    } catch (error) {
      // A cluster that cannot be reached completes nothing.
      throw new KubectlError((error as Error).message);
    }
  },
});
