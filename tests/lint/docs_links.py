"""Fails when a link in a Markdown page leads to a file that is not there."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
listed = subprocess.run(["git", "-C", root, "ls-files", "--cached", "--others",
                         "--exclude-standard", "*.md"], capture_output=True, text=True)
pages = [root / name for name in listed.stdout.split()] or sorted(root.glob("*.md"))
problems, links = [], 0
for page in pages:
    if not page.exists():
        continue
    for number, line in enumerate(page.read_text().splitlines(), 1):
        for target in re.findall(r"\]\(([^)#\s]+)", line):
            if re.match(r"[a-z]+:", target):
                continue
            links += 1
            if not (page.parent / target).exists():
                problems.append(f"{page.relative_to(root)}:{number}: no {target}")
print("\n".join(problems))
print(f"{len(pages)} pages, {links} links, {len(problems)} problems")
sys.exit(bool(problems) or not pages)
