import { subcommand, UserError } from './command.ts';
import { summaries } from './summaries.ts';

const words = [...Object.keys(summaries), 'help', 'version'].join(' ');
const scripts: Record<string, string> = {
  bash: `_wherry() {
  local cur="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${words}" -- "$cur")); return; fi
  local flags; flags=$(wherry "\${COMP_WORDS[1]}" --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u)
  COMPREPLY=($(compgen -W "$flags" -- "$cur")); [ "\${#COMPREPLY[@]}" -eq 0 ] && COMPREPLY=($(compgen -f -- "$cur"))
}
complete -F _wherry wherry
`,
  zsh: `#compdef wherry
_wherry() {
  if (( CURRENT == 2 )); then compadd ${words}; return; fi
  compadd -- $(wherry "$words[2]" --help 2>/dev/null | grep -oE -- '--[a-z-]+' | sort -u); _files
}
compdef _wherry wherry
`,
  fish:
    Object.entries(summaries)
      .map(
        ([name, summary]) =>
          `complete -c wherry -n __fish_use_subcommand -a ${name} -d '${summary.replaceAll("'", "\\'")}'`,
      )
      .join('\n') + '\n',
};

export const completion = subcommand({
  name: 'completion',
  usage: 'completion bash|zsh|fish',
  summary: 'Prints a completion script.',
  flags: { help: { type: 'boolean', short: 'h' } },
  help: { help: { help: 'this text' } },
  examples: ['source <(wherry completion bash)'],
  async run(args) {
    const script = scripts[args[0] ?? ''];
    if (!script) throw new UserError('for which shell? Say "wherry completion bash", zsh or fish.', 2);
    process.stdout.write(script);
    return 0;
  },
});
