"""`expunge compare`, start to report, on a tiny random model: what it does is judged elsewhere."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, main_thread

import pytest
from made_arms import finished
from problems import random_dictionaries
from six_people import PEOPLE

from dictionaries import save_dictionaries
from editor.cli import main
from editor.comparing import run
from editor.comparing.job import run_job, target_in
from editor.model.loading import load_model
from editor.results.comparison import POINTS, Comparison

ARMS = "neuron-probe,circuit-mlp"
UNHEARD_S = 1800


@contextmanager
def here_and_now(_processes):
    """A pool that runs one job after another, in this process."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda job: pool.submit(run_job, job)


@contextmanager
def stand_in(_processes):
    """A pool whose jobs find something at once."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda job: pool.submit(finished, job.arm, job.seed)


def compare(model, *more):
    case = (
        "--facts",
        "facts.jsonl",
        "--policy",
        "policy.yaml",
        "--subject",
        PEOPLE[0],
        "--subject",
        PEOPLE[1],
    )
    how = ("--trials", "1", "--seeds", "1", "--quiet", "--device", "cpu", "--output", "out")
    arguments = [str(part) for part in ("compare", model, *case, *how, *more)]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code


@pytest.fixture(scope="module")
def dictionaries(checkpoint, tmp_path_factory):
    """Random ones, written once."""
    folder = tmp_path_factory.mktemp("dictionaries")
    save_dictionaries(random_dictionaries(load_model(str(checkpoint("gpt2")), device="cpu")), folder)
    return folder


@pytest.mark.usefixtures("short_fits")
def test_two_arms_and_the_reference(here, checkpoint, dictionaries, monkeypatch, capsys):
    monkeypatch.setattr(run, "_pool", here_and_now)
    monkeypatch.setattr("editor.api.compare.attacks_at", lambda _: ("4-bit",))  # one stands for all
    code = compare(checkpoint("gpt2"), "--arms", ARMS, "--dictionary", dictionaries)
    out, err = capsys.readouterr()
    assert code == 0, err
    comparison = Comparison.from_json((here / "out" / "comparison.json").read_text())
    assert [one.arm for one in comparison.arms] == ["feature-edit", "neuron-probe", "circuit-mlp"]
    assert {len(one.points) for one in comparison.arms} == {len(POINTS)}
    target = comparison.arms[0].points[0]
    for one in comparison.arms[1:]:
        at_norm = next(point for point in one.points if point.point == "norm")
        assert at_norm.norm == pytest.approx(target.norm, rel=1e-4)
    assert {len(point.facts) for one in comparison.arms for point in one.points} == {2}
    for one in comparison.arms:
        attacked = {point.point: {row.attack for row in point.attacks} for point in one.points}
        assert attacked["policy"] == attacked["collateral"] == {"4-bit"}
    costs = json.loads((here / "out" / "costs.json").read_text())
    assert [cost["arm"] for cost in costs] == [one.arm for one in comparison.arms]
    assert all(cost["peak_mib"] > 100 for cost in costs)
    assert comparison.verdict in out.replace("\n", " ")
    written = "".join(
        p.read_text() for p in (here / "out").iterdir() if p.suffix in (".json", ".html", ".svg")
    )
    assert "415-555" not in written + out + err
    assert PEOPLE[0] not in written + out + err
    assert not (here / "out.arms").exists()
    assert {p.suffix for p in (here / "out").iterdir()} >= {".json", ".html", ".svg", ".png"}


@pytest.fixture
def heard():
    """A process that a shell has put in the background ignores Ctrl-C until it is told otherwise."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_how_to_go_on_and_does(
    here, checkpoint, dictionaries, monkeypatch, capsys, number
):
    """The jobs are stand-ins: what they find does not matter here."""
    before = signal.getsignal(signal.SIGTERM)
    heard = Event()

    def stopped(job):
        if job.arm == "circuit-mlp":
            target_in(job.reference)
            signal.pthread_kill(main_thread().ident, number)
            assert heard.wait(UNHEARD_S), "the signal was not heard"
        return finished(job.arm, job.seed)

    @contextmanager
    def pool(_processes):
        with ThreadPoolExecutor(1) as one:
            try:
                yield lambda job: one.submit(stopped, job)
            finally:
                heard.set()

    monkeypatch.setattr(run, "_pool", pool)
    more = ("--arms", "circuit-mlp", "--dictionary", dictionaries)
    assert compare(checkpoint("gpt2"), *more) == 4
    assert "--resume" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
    assert not [path for path in here.iterdir() if "partial" in path.name or path.name == "out"]
    assert (here / "out.arms" / "feature-edit-0.json").exists()
    monkeypatch.setattr(run, "_pool", stand_in)
    assert compare(checkpoint("gpt2"), *more) == 2
    assert "--resume" in capsys.readouterr().err
    assert compare(checkpoint("gpt2"), *more, "--resume") == 0
    assert (here / "out" / "comparison.html").exists()


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        (("--arms", "neuron-kn,nonsense"), "'nonsense' is not one of feature-edit"),
        (("--seeds", "0"), "--seeds"),
        (("--dictionary", "nowhere", "--arms", "memit"), "nowhere"),
    ],
)
def test_bad_input_is_named_and_nothing_is_written(here, checkpoint, more, cause, capsys, monkeypatch):
    monkeypatch.setattr(run, "_pool", here_and_now)
    assert compare(checkpoint("gpt2"), *more) == 2
    assert cause in capsys.readouterr().err
    assert not [path for path in here.iterdir() if path.name.startswith("out")]


@pytest.mark.slow
def test_jobs_run_in_processes_of_their_own(here, checkpoint, dictionaries, capsys):
    code = compare(
        checkpoint("gpt2"), "--arms", "neuron-probe", "--dictionary", dictionaries, "--parallel", "2"
    )
    assert code == 0, capsys.readouterr().err
    assert len(json.loads((here / "out" / "costs.json").read_text())) == 2
