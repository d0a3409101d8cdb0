#!/usr/bin/env bash
# Builds RoleMesh and runs its tests through ctest.
set -euo pipefail

usage() {
  cat <<'EOT'
tests/run.sh [--full] [--no-install] [-R REGEX]

Installs what the tests need (Debian's packages, npm's openai, Debian's llama-server),
builds the release preset and runs every test: unit, component, system, lint.

  --full        also the long ones: AddressSanitizer and ThreadSanitizer builds,
                clang-tidy-19, header self-sufficiency, repeated system tests;
                writes docs/verification.md
  --no-install  trust that everything needed is there
  -R REGEX      only tests whose name matches, as ctest -R
EOT
}

root=$(dirname "$(dirname "$(realpath "$0")")")
cd "$root"
full='' install=yes
selection=()
while [ $# -gt 0 ]; do
  case $1 in
    --full) full=yes ;;
    --no-install) install='' ;;
    -R) selection=(-R "${2:?}"); shift ;;
    -h | --help) usage; exit 0 ;;
    *) echo "tests/run.sh: unknown argument \"$1\"; see --help" >&2; exit 2 ;;
  esac
  shift
done

step() { printf '== [%4ds] %s\n' "$SECONDS" "$1"; }

if [ -n "$install" ]; then
  step "packages"
  deploy/setup/install_packages.sh build run test ${full:+full}
  step "llama-server"
  deploy/llama/get-llama-server.sh "$root/.cache/llama" 2>&1 | tail -n 1
  step "npm packages of the SDK tests"
  (cd tests/system/sdk && npm install --silent --no-audit --no-fund --no-package-lock)
fi
export ROLEMESH_LLAMA_SERVER=$root/.cache/llama/bin/llama-server
export ROLEMESH_TINY_MODEL=$root/deploy/llama/model/tiny-chat.gguf
export ROLEMESH_NODE=$root/tests/system/sdk/node_modules/.bin/node
[ -x "$ROLEMESH_NODE" ] || ROLEMESH_NODE=$(command -v node)
export CCACHE_NOHASHDIR=1

configure_and_build() { # PRESET [TARGET...]
  local preset=$1
  shift
  cmake --preset "$preset" -DROLEMESH_TESTS=ON >/dev/null
  ninja -C "build/$preset" "$@" | awk '
    /^\[[0-9]+\/[0-9]+\]/ { if (++n % 50 == 0) { print $1; fflush() } next } { print }'
  test "${PIPESTATUS[0]}" -eq 0
}

step "build (release)"
configure_and_build release
step "tests"
if [ -z "$full" ]; then
  ctest --test-dir build/release --output-on-failure --no-tests=error "${selection[@]}"
  exit 0
fi

# --- the long ones --------------------------------------------------------------------

report=$(mktemp)
trap 'rm -f "$report"' EXIT
failures=0
check() { # NAME COMMAND...
  local name=$1 begin=$SECONDS log
  shift
  step "$name"
  log=$root/build/full-${name//[^a-z0-9]/-}.log
  if "$@" >"$log" 2>&1; then
    verdict=passed
  else
    verdict=FAILED
    failures=$((failures + 1))
    tail -n 30 "$log"
  fi
  summary=$(grep -E 'tests passed|tests failed|warnings? generated|[0-9]+ files checked' "$log" | tail -n 1 || true)
  echo "| $name | $verdict | $((SECONDS - begin)) s | ${summary:-} |" | tee -a "$report"
}

sanitized() { # PRESET LABELS
  configure_and_build "$1" && ctest --test-dir "build/$1" --output-on-failure -L "$2" -E "lint\."
}
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export TSAN_OPTIONS=external_symbolizer_path=/usr/bin/llvm-symbolizer-19:halt_on_error=1

check "all tests, release" ctest --test-dir build/release --output-on-failure --no-tests=error
check "unit, component and system tests, AddressSanitizer and UBSan" sanitized asan 'unit|component|system'
# gRPC's own threads are not instrumented; what is free of gRPC is judged (docs/adr).
check "unit tests, ThreadSanitizer" sanitized tsan unit
check "every header compiles alone" ninja -C build/release all_verify_interface_header_sets
check "clang-tidy-19" tests/lint/clang_tidy.sh build/release
check "system tests five times over" ctest --test-dir build/release --output-on-failure -L system --repeat until-fail:5

{
  echo "# Verification"
  echo
  echo "What \`tests/run.sh --full\` printed last; it rewrites this page."
  echo
  echo "- date: $(date -u +%Y-%m-%d)"
  echo "- commit: $(git rev-parse --short HEAD)$(git diff --quiet HEAD -- . ':!docs/verification.md' || echo ' with local changes')"
  echo "- machine: $(nproc) cores, $(awk '/MemTotal/ {printf "%d GiB", $2 / 1048576}' /proc/meminfo), $(. /etc/os-release && echo "$PRETTY_NAME")"
  echo
  echo "| what | verdict | time | summary |"
  echo "| --- | --- | --- | --- |"
  cat "$report"
} >docs/verification.md
step "done; docs/verification.md is written"
[ $failures -eq 0 ]
