export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * Each hands the words to the program itself, which knows its commands and, through the cluster, the names. The first word may be
 * `kubectl-agentpg` too: kubectl calls `kubectl_complete-agentpg`.
 */
const SCRIPTS: Record<Shell, string> = {
  bash: `# agentpg completion for bash:  source <(agentpg completion bash)
_agentpg() {
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  mapfile -t COMPREPLY < <("\${COMP_WORDS[0]}" __complete -- "\${words[@]}" 2>/dev/null)
}
complete -o default -F _agentpg agentpg kubectl-agentpg
`,
  zsh: `#compdef agentpg kubectl-agentpg
# agentpg completion for zsh:  source <(agentpg completion zsh)
_agentpg() {
  local -a found
  found=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  compadd -a found
}
compdef _agentpg agentpg kubectl-agentpg
`,
  fish: `# agentpg completion for fish:  agentpg completion fish | source
complete -c agentpg -f -a '(set -l words (commandline -opc) (commandline -ct); $words[1] __complete -- $words[2..-1] 2>/dev/null)'
`,
};

/** What a shell reads to complete the program's words. */
export const completionScript = (shell: Shell): string => SCRIPTS[shell];
