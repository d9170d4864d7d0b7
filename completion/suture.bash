# bash completion for suture(1)
_suture() {
    local current previous command word
    current=${COMP_WORDS[COMP_CWORD]}
    previous=${COMP_WORDS[COMP_CWORD-1]}
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word != -* ]] && { command=$word; break; }
    done
    case $previous in
        --pid)
            mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && printf '%s\n' [0-9]*)" -- "$current"); return ;;
        --pre|--post|--source|--work|--build-path|--trust-dir|--state-dir)
            mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
        -k|--key|-p|--public-key|-o|--output|--patch|--image|--password-file|--export)
            mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
        --build|--debian|--to|--without|--package|--compiler|--id|--sequence|--patch-version|--description|--cve|--requires|--supersedes|--allow|--data|--leave|--timeout|-j|--jobs|-c|--comment)
            return ;;
    esac
    local options="--help"
    case $command in
        '') options="build apply revert status install uninstall inspect report verify sign keygen --help --version" ;;
        build) options+=" --pre --post --source --debian --to --without --package --compiler --buildinfo --plan --patch --build --image --output --id --sequence --patch-version --description
            --cve --requires --supersedes --allow --data --leave --work --build-path --jobs --explain --dry-run --no-line-anchoring --json" ;;
        apply) options+=" --pid --disk --timeout --allow-unsigned --dry-run --trust-dir --state-dir --json" ;;
        revert) options+=" --pid --disk --timeout --state-dir --json" ;;
        status) options+=" --pid --state-dir --json" ;;
        install) options+=" --timeout --allow-unsigned --downgrade --dry-run --trust-dir --state-dir --json" ;;
        uninstall) options+=" --timeout --dry-run --state-dir --json" ;;
        inspect) options+=" --disasm --whole --public-key --trust-dir --json" ;;
        report) options+=" --output --public-key --trust-dir --json" ;;
        verify) options+=" --public-key --trust-dir --export --json" ;;
        sign) options+=" --key --output --comment --password-file --no-detached --json" ;;
        keygen) options+=" --output --password --password-file --force --json" ;;
    esac
    if [[ $current == -* || -z $command ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    case $command in
        apply|install|inspect|report|verify|sign)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -X '!*.hotpatch' -- "$current"; compgen -d -- "$current") ;;
        revert|uninstall)
            local state=${SUTURE_STATE_DIR:-/var/lib/suture}
            [[ -d $state/packages ]] && mapfile -t COMPREPLY < <(compgen -W "$(ls -- "$state/packages")" -- "$current") ;;
    esac
}
complete -F _suture suture
