"""Fitted edits, which take long, made once by a run that may be killed."""

from dataclasses import replace

from editor.edits.edit import AnyDelta, Delta, Edit
from editor.kept_work import Form, KeptWork
from editor.locators.problem import EditProblem
from editor.methods.method import Method
from editor.methods.shared.searching import fit_method


def fit_once(work: KeptWork, method: Method, problem: EditProblem, start: Edit | None = None) -> Edit:
    """Return a method's edit, begun at `start` where there is one and the method can resume.

    Of several processes all go on with what the first one made, also where nothing is kept.
    """
    inputs = () if work.folder is None else (method, start, problem.digest)
    return work.once("fit", inputs, _EDIT, lambda: fit_method(method, problem, start))


def settle(edit: Edit) -> Edit:
    """Put changes and settings in the order of their names, and factors one row after another in memory."""
    deltas = {name: _contiguous(delta) for name, delta in sorted(edit.deltas.items())}
    return replace(edit, deltas=deltas, settings=dict(sorted(edit.settings.items())))


def _contiguous(delta: AnyDelta) -> AnyDelta:
    if isinstance(delta, Delta):
        return Delta(left=delta.left.contiguous(), right=delta.right.contiguous())
    return replace(delta, mask=delta.mask.contiguous(), values=delta.values.contiguous())


_EDIT: Form[Edit] = Form(
    write=lambda edit, folder: edit.save(folder),
    read=lambda folder: settle(Edit.load(folder)),
    settle=settle,
)
