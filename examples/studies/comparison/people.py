"""People other than those whom the lab's request names."""

import json
import random

from editor.lab import Lab
from policies import load_request


def other_people(lab: Lab, count: int, seed: int) -> list[str]:
    """Draw names among everybody in the lab's corpus whom its request does not name.

    Args:
        lab: the embedded lab.
        count: number of names.
        seed: seed of the draw; the same one gives the same names.
    """
    asking = {subject.name for subject in load_request(lab.request).subjects}
    with lab.corpus.open(encoding="utf-8") as lines:
        everybody = {name for line in lines for name in json.loads(line)["subjects"]}
    return random.Random(seed).sample(sorted(everybody - asking), count)
