# fish completion for suture(1)
function __suture_installed
    set -l state /var/lib/suture
    set -q SUTURE_STATE_DIR; and set state $SUTURE_STATE_DIR
    test -d $state/packages; and command ls -- $state/packages
end

set -l commands build apply revert status install uninstall inspect report verify sign keygen
complete -c suture -f
complete -c suture -n "not __fish_seen_subcommand_from $commands" -l version -d 'show the version'
complete -c suture -l help -s h -d 'show help'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a build -d 'make a package from a source fix'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a apply -d 'apply a package to processes or to the file'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a revert -d 'take a patch back'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a status -d 'show what is applied'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a install -d 'apply a package to the file and to all that use it'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a uninstall -d 'take an installed package back'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a inspect -d 'show what a package holds'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a report -d 'write a page about a package'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a verify -d 'check a signature'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a sign -d 'sign a package'
complete -c suture -n "not __fish_seen_subcommand_from $commands" -a keygen -d 'make a pair of keys'

complete -c suture -n "__fish_seen_subcommand_from $commands" -l json -d 'report as JSON'
complete -c suture -n '__fish_seen_subcommand_from apply install inspect report verify sign' -k -a '(__fish_complete_suffix .hotpatch)'
complete -c suture -n '__fish_seen_subcommand_from revert uninstall' -a '(__suture_installed)'
complete -c suture -n '__fish_seen_subcommand_from apply revert status' -l pid -x -a '(__fish_complete_pids)' -d process
complete -c suture -n '__fish_seen_subcommand_from apply revert' -l disk -d 'the file on disk'
complete -c suture -n '__fish_seen_subcommand_from apply revert install uninstall' -l timeout -x -d 'seconds until it is given up'
complete -c suture -n '__fish_seen_subcommand_from apply install' -l allow-unsigned -d 'without a trusted signature'
complete -c suture -n '__fish_seen_subcommand_from apply build' -l dry-run -d 'change nothing'
complete -c suture -n '__fish_seen_subcommand_from install' -l downgrade -d 'accept a lower sequence'
complete -c suture -n '__fish_seen_subcommand_from apply install inspect report verify' -l trust-dir -r -d 'folder of trusted keys'
complete -c suture -n '__fish_seen_subcommand_from apply revert status install uninstall' -l state-dir -r -d 'folder of what is installed'
complete -c suture -n '__fish_seen_subcommand_from inspect report verify' -s p -l public-key -r -d 'this key only'
complete -c suture -n '__fish_seen_subcommand_from verify' -l export -r -d 'write what minisign verifies'
complete -c suture -n '__fish_seen_subcommand_from sign' -s k -l key -r -d 'secret key'
complete -c suture -n '__fish_seen_subcommand_from sign' -s c -l comment -x -d 'trusted comment'
complete -c suture -n '__fish_seen_subcommand_from sign' -l no-detached -d 'no signature beside the package'
complete -c suture -n '__fish_seen_subcommand_from sign keygen' -l password-file -r -d 'password of the key'
complete -c suture -n '__fish_seen_subcommand_from keygen' -l password -d 'encrypt the secret key'
complete -c suture -n '__fish_seen_subcommand_from keygen' -l force -d overwrite
complete -c suture -n '__fish_seen_subcommand_from sign keygen build report' -s o -l output -r -d 'write there'
complete -c suture -n '__fish_seen_subcommand_from inspect' -l disasm -d 'old and new code side by side'
complete -c suture -n '__fish_seen_subcommand_from inspect' -l whole -d 'equal instructions too'
complete -c suture -n '__fish_seen_subcommand_from build' -l pre -r -d 'source before the fix'
complete -c suture -n '__fish_seen_subcommand_from build' -l post -r -d 'source after the fix'
complete -c suture -n '__fish_seen_subcommand_from build' -l source -r -d 'source before the fix'
complete -c suture -n '__fish_seen_subcommand_from build' -l compiler -x -d 'Compiler to build a Debian package with'
complete -c suture -n '__fish_seen_subcommand_from build' -l buildinfo -r -d 'Record of the build of the shipped binaries'
complete -c suture -n '__fish_seen_subcommand_from build' -l plan -d 'Say what would be built, and end'
complete -c suture -n '__fish_seen_subcommand_from build' -l debian -x -d 'Debian source package'
complete -c suture -n '__fish_seen_subcommand_from build' -l package -x -d 'binary package to patch'
complete -c suture -n '__fish_seen_subcommand_from build' -l to -x -d 'version with the fix'
complete -c suture -n '__fish_seen_subcommand_from build' -l without -x -d 'patch of that version to leave out'
complete -c suture -n '__fish_seen_subcommand_from build' -l patch -r -d 'the fix'
complete -c suture -n '__fish_seen_subcommand_from build' -l build -x -d 'build command'
complete -c suture -n '__fish_seen_subcommand_from build' -l image -r -d 'binary as shipped'
complete -c suture -n '__fish_seen_subcommand_from build' -l id -x -d id
complete -c suture -n '__fish_seen_subcommand_from build' -l sequence -x -d 'number that grows'
complete -c suture -n '__fish_seen_subcommand_from build' -l patch-version -x -d 'version for people'
complete -c suture -n '__fish_seen_subcommand_from build' -l description -x -d 'text for people'
complete -c suture -n '__fish_seen_subcommand_from build' -l cve -x -d 'CVE that is fixed'
complete -c suture -n '__fish_seen_subcommand_from build' -l requires -x -d 'patch that is needed'
complete -c suture -n '__fish_seen_subcommand_from build' -l supersedes -x -d 'patch that is replaced'
complete -c suture -n '__fish_seen_subcommand_from build' -l allow -x -d 'hazard to allow'
complete -c suture -n '__fish_seen_subcommand_from build' -l data -x -d 'what becomes of a changed initial value'
complete -c suture -n '__fish_seen_subcommand_from build' -l leave -x -d 'function to leave as it is'
complete -c suture -n '__fish_seen_subcommand_from build' -l work -r -d 'keep the builds here'
complete -c suture -n '__fish_seen_subcommand_from build' -l build-path -r -d 'build at this path'
complete -c suture -n '__fish_seen_subcommand_from build' -s j -l jobs -x -d jobs
complete -c suture -n '__fish_seen_subcommand_from build' -l explain -d 'print every difference'
complete -c suture -n '__fish_seen_subcommand_from build' -l no-line-anchoring -d 'let __LINE__ move'
