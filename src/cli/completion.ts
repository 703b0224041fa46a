/** `svctl completion`: the script for a shell. What to offer is asked of `svctl __complete` with each Tab. */
import type { Call } from "./call.ts";
import { EXIT, usage } from "./failure.ts";

export const details = `
  bash:  svctl completion bash > ~/.local/share/bash-completion/completions/svctl
  zsh:   svctl completion zsh  > ~/.zfunc/_svctl      (a directory in $fpath)
  fish:  svctl completion fish > ~/.config/fish/completions/svctl.fish
Or for this shell only: source <(svctl completion bash)`;

// Readline splits words at `:` and `@` too, names have both: what stands before the last one is not to be repeated.
const BASH = `# bash completion for svctl
_svctl() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} words current kept candidate
  set -f; words=($line); set +f
  [[ $line == *[[:space:]] ]] && words+=("")
  current=\${words[-1]}
  kept=\${current%"\${current##*[:@=]}"}
  COMPREPLY=()
  while IFS= read -r candidate; do
    COMPREPLY+=("\${candidate#"$kept"}")
  done < <(svctl __complete -- "\${words[@]:1}" 2>/dev/null)
  if [[ \${#COMPREPLY[@]} -eq 1 && \${COMPREPLY[0]} == *: ]]; then compopt -o nospace; fi
}
complete -F _svctl svctl
`;

const ZSH = `#compdef svctl
_svctl() {
  local -a candidates
  candidates=("\${(@f)$(svctl __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  candidates=("\${(@)candidates:#}")
  (( \${#candidates} )) && compadd -- "\${(@)candidates}"
}
if [ "$funcstack[1]" = "_svctl" ]; then _svctl "$@"; else compdef _svctl svctl; fi
`;

const FISH = `# fish completion for svctl
function __svctl_complete
    set -l words (commandline -opc) (commandline -ct)
    svctl __complete -- $words[2..-1] 2>/dev/null
end
complete -c svctl -f -a '(__svctl_complete)'
`;

const SCRIPTS: Readonly<Record<string, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

export async function run(call: Call): Promise<number> {
  const [shell = ""] = call.words;
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined) throw usage(`no completion for \`${shell}\``, "there are scripts for bash, zsh and fish");
  call.world.out.write(script);
  return EXIT.done;
}
