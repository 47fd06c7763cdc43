"""Writes go.mod of the part kubernetes: `python -m tools.kubernetes_module v1.36.3`.

Kubernetes' own go.mod replaces its staging modules by folders of its repository, which a module
that requires it does not see. So each k8s.io/X needs a `replace` by its published twin, which is
v0.36.3 for v1.36.3.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tools.go_toolchain import go_command
from tools.parts import PARTS, cache_folder

_FOLDER = Path(__file__).parent / "go" / "kubernetes"


def go_mod(version: str, upstream: str) -> str:
    """Our go.mod, given the text of Kubernetes' own."""
    staging = re.findall(r"^\s+(k8s\.io/\S+) => \./staging/", upstream, re.MULTILINE)
    go = re.search(r"^go \S+$", upstream, re.MULTILINE)
    if not staging or go is None:
        raise ValueError(f"the go.mod of Kubernetes {version} is not as it used to be")
    published = "v0." + version.removeprefix("v1.")
    lines = [
        "module mcs.local/tools/kubernetes\n",
        f"{go.group()}\n",
        "tool (",
        *(f"\t{package}" for package in PARTS["kubernetes"].packages.values()),
        ")\n",
        f"require k8s.io/kubernetes {version}\n",
        "replace (",
        *(f"\t{module} => {module} {published}" for module in staging),
        ")\n",
    ]
    return "\n".join(lines)


def main() -> None:
    """Write go.mod and let Go complete it and go.sum."""
    version = sys.argv[1]
    go = str(go_command(cache_folder()))
    download = [go, "mod", "download", "-json", f"k8s.io/kubernetes@{version}"]
    answer = subprocess.run(download, cwd="/", capture_output=True, text=True, check=True).stdout
    upstream = Path(json.loads(answer)["GoMod"]).read_text()
    (_FOLDER / "go.mod").write_text(go_mod(version, upstream))
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOWORK": "off"}
    subprocess.run([go, "mod", "tidy"], cwd=_FOLDER, env=environment, check=True)


if __name__ == "__main__":
    main()
