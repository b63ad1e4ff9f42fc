// `handoff completion bash`. The script asks `handoff status --json` for the names of services.
#include <iostream>
#include <nlohmann/json.hpp>

#include "supervisor/cli/options.h"

namespace handoff::supervisor {
namespace {

constexpr const char* kBash =
    R"bash(# bash completion for handoff; load it with: source <(handoff completion bash)

_handoff_services() {
    # A service's name is the one that comes before its path; a listener's is not.
    "${COMP_WORDS[0]}" status --json 2>/dev/null | grep -o '"name":"[^"]*","path"' | cut -d'"' -f4
}

_handoff() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    local prev=${COMP_WORDS[COMP_CWORD - 1]}
    local command= words= i place=0
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --) COMPREPLY=($(compgen -f -- "$cur")); return ;;
            # Of upgrade it is a flag, of the others it has a file.
            --config) [[ $command == upgrade ]] || ((i++)) ;;
            --name | --listen | --working-dir | --watch | --settle | --start-timeout | --freeze-budget | \
                --stall-timeout | --drain | --probation | --progressive | --pause) ((i++)) ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; else ((place++)); fi ;;
        esac
    done

    case $prev in
        --config)
            if [[ $command != upgrade ]]; then
                COMPREPLY=($(compgen -f -- "$cur"))
                return
            fi ;;
        --working-dir) COMPREPLY=($(compgen -d -- "$cur")); return ;;
        --watch) COMPREPLY=($(compgen -f -- "$cur")); return ;;
        --progressive) COMPREPLY=($(compgen -W "1%,10%,100%" -- "$cur")); return ;;
        --settle | --start-timeout | --freeze-budget | --stall-timeout | --drain | --probation | --pause)
            COMPREPLY=($(compgen -W "100ms 250ms 1s 10s 30s 2m" -- "$cur")); return ;;
        --name | --listen) return ;;
    esac

    local timeouts="--start-timeout --freeze-budget --stall-timeout --drain --probation"
    if [[ -z $command ]]; then
        words="run upgrade plan status history stop restart rollback commit reload check doctor completion --help --version"
    elif [[ $cur == -* ]]; then
        case $command in
            run) words="--config --name --listen --working-dir --watch --settle --no-restart --vault --check $timeouts" ;;
            upgrade) words="--self --config --allow-downgrade --ignore-memory --one-way --progressive --pause $timeouts" ;;
            plan) words="--allow-downgrade --ignore-memory --one-way $timeouts" ;;
            restart | rollback) words="--ignore-memory $timeouts" ;;
            check) words="--config" ;;
            doctor) words="--failpoints" ;;
        esac
        words="$words --json --help"
    else
        case $command:$place in
            upgrade:0 | plan:0 | status:0 | history:0 | stop:0 | restart:0 | rollback:0 | \
                commit:0) words=$(_handoff_services) ;;
            upgrade:1 | plan:1) COMPREPLY=($(compgen -f -- "$cur")); return ;;
            completion:0) words="bash" ;;
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

complete -o filenames -F _handoff handoff
)bash";

}  // namespace

ExitStatus completion_command(const std::string& shell, bool as_json) {
  if (as_json) {
    std::cout << nlohmann::json{{"shell", shell}, {"script", kBash}}.dump() << std::endl;
  } else {
    std::cout << kBash << std::flush;
  }
  return ExitStatus::kDone;
}

}  // namespace handoff::supervisor
