#!/usr/bin/env bash
# Line coverage of the registry's state machine and its surroundings by their tests:
# each line that none of them runs, and each file's percentage; fails below 100 %.
# Once before: rustup component add llvm-tools
set -euo pipefail

# Called by cargo for the crates of the workspace: the dependencies stay as they are.
if [ "${MIMO_COVERAGE_RUSTC-}" ]; then
    exec "$@" -C instrument-coverage
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools=$(dirname "$(find "$(rustc --print sysroot)" -name llvm-profdata -type f | head -n 1)")
profiles=$(mktemp -d)
trap 'rm -rf "$profiles"' EXIT
export MIMO_COVERAGE_RUSTC=1
export RUSTC_WORKSPACE_WRAPPER="$PWD/tests/coverage.sh"
export LLVM_PROFILE_FILE="$profiles/%p-%m.profraw"

binaries=(--object "$PWD/target/debug/mimo")
for target in --lib "--test skills"; do
    # shellcheck disable=SC2086 # Two words.
    built=$(cargo test --no-run $target 2>&1 | tee -a /dev/stderr | sed -n 's/.*Executable .*(\(.*\))/\1/p')
    # Servers that the tests start get no environment: they write their profile
    # to the working folder.
    (cd "$profiles" && "$OLDPWD/$built" registry:: running::reload running::approve)
    binaries+=(--object "$built")
done
"$tools/llvm-profdata" merge --sparse "$profiles"/*.profraw --output "$profiles/all"
"$tools/llvm-cov" export --format=lcov --instr-profile "$profiles/all" "${binaries[@]}" \
    --sources src/registry/{core,instances,reloader,table}.rs src/registry/table/reload.rs |
    awk -F '[:,]' '
        /^SF/ { file = $2; lines = missed = 0 }
        /^DA/ { lines++; if ($3 == 0) { missed++; all++; print file ":" $2 } }
        /^end_of_record/ { printf "%.1f %% of %d lines of %s\n", 100 - 100 * missed / lines, lines, file }
        END { exit all > 0 }'
