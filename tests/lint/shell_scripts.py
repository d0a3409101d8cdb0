"""Fails when shellcheck warns about a shell script of ours."""
import pathlib
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
scripts = [str(p) for p in [*sorted((root / "deploy").rglob("*.sh")),
                            *sorted((root / "tests").rglob("*.sh")), root / ".ci/run"]
           if "node_modules" not in p.parts]
run = subprocess.run(["shellcheck", "--severity=warning", *scripts])
print(f"{len(scripts)} scripts checked")
sys.exit(run.returncode != 0 or not scripts)
