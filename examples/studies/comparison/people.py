"""A request of other people than the lab's own."""

import json
import random
from pathlib import Path

import yaml

from editor.lab import Lab
from policies import load_request


def other_people(lab: Lab, count: int, seed: int) -> list[str]:
    """Names drawn among everybody in the lab's corpus whom its request does not name."""
    asking = {subject.name for subject in load_request(lab.request).subjects}
    with lab.corpus.open(encoding="utf-8") as lines:
        everybody = {name for line in lines for name in json.loads(line)["subjects"]}
    return random.Random(seed).sample(sorted(everybody - asking), count)


def write_request(names: list[str], path: Path) -> None:
    """Write a request that `compare` reads."""
    request = {"case": f"{len(names)} others", "subjects": [{"name": name} for name in names]}
    path.write_text(yaml.safe_dump(request, sort_keys=False), encoding="utf-8")
