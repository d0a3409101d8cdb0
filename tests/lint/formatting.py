"""Fails when clang-format-19 would change a C++ file of ours."""
import pathlib
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
listed = subprocess.run(["git", "-C", root, "ls-files", "*.h", "*.cc"], capture_output=True,
                        text=True, check=True)
files = [str(root / name) for name in listed.stdout.split() if (root / name).exists()]
run = subprocess.run(["clang-format-19", "--dry-run", "--Werror", *files],
                     capture_output=True, text=True)
lines = [line for line in run.stderr.splitlines() if "error:" in line]
print("\n".join(lines[:40]))
print(f"{len(files)} files checked, {len(lines)} problems; mend with clang-format-19 -i")
sys.exit(run.returncode != 0 or not files)
