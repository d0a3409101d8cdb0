#!/usr/bin/env bash
# clang_tidy.sh BUILD_DIR: clang-tidy-19 over every source file of ours that BUILD_DIR compiles.
set -euo pipefail
build=$1
root=$(dirname "$(dirname "$(dirname "$(realpath "$0")")")")
cd "$root"
python3 - "$build" <<'EOT' | xargs -r -P "$(nproc)" -n 4 clang-tidy-19 -p "$build" --quiet
import json, pathlib, sys
root = pathlib.Path.cwd()
seen = set()
for entry in json.load(open(f"{sys.argv[1]}/compile_commands.json")):
    path = pathlib.Path(entry["file"])
    if root in path.parents and "build" not in path.relative_to(root).parts[:1]:
        seen.add(str(path.relative_to(root)))
wanted = sorted(p for p in seen if not p.startswith("tests/"))
print("\n".join(wanted))
print(f"{len(wanted)} files checked", file=sys.stderr)
EOT
