"""Locating without editing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from editor.api.requests import LocateRequest
from editor.api.running import (
    as_path,
    load_original,
    open_output,
    read_case,
    read_policy,
    read_site,
    show_stages,
)
from editor.artefacts.output import OutputFolder
from editor.dictionary_supply import NO_DICTIONARIES, supply_dictionaries
from editor.locate import Located, locate_facts, write_located
from editor.locators import LOCATORS
from editor.measuring.own_forward import editable
from policies.errors import RequestError


def run_locate(request: LocateRequest) -> Located:
    """Locate the facts, and write scores, tables and figures where there is a folder for them."""
    if request.locator not in LOCATORS:
        raise RequestError(f"There is no locator {request.locator!r}", f"Give one of {', '.join(LOCATORS)}")
    entry = LOCATORS[request.locator]
    if request.dictionary is not None and not entry.needs_dictionary:
        raise RequestError(
            f"A dictionary (--dictionary) has no meaning for the locator {entry.name}", "Leave it out"
        )
    policy, site, stages = read_policy(request.policy), read_site(request.site), show_stages(request)
    with open_output(request) as output, _folder(output) as folder:
        with stages.stage("Loading the model"):
            loaded = load_original(request, request.model)
        case = read_case(request, policy, stages)
        loaded = editable(case, loaded)
        supply = NO_DICTIONARIES
        if entry.needs_dictionary:
            supply = supply_dictionaries(case, loaded, as_path(request.dictionary), folder, stages, site=site)
        located = locate_facts(case, loaded, supply.dictionaries, entry, request.units, stages)
        if output is not None:
            output.inputs, output.seed = {"model": str(request.model), "policy": policy.digest}, case.seed
            write_located(output, located)
    return located


@contextmanager
def _folder(output: OutputFolder | None) -> Iterator[Path]:
    """Yield the output folder, or one that is gone afterwards."""
    if output is not None:
        yield output.path
        return
    with TemporaryDirectory() as folder:
        yield Path(folder)
