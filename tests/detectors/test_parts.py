"""A corpus searched in parts: whatever their number and order, the facts file is that of one process."""

import json
import random

import pytest

from detectors.parts import Part
from editor.api.detect import DetectStep, run_detect, run_part
from editor.api.folder_requests import DetectRequest
from policies.errors import CorpusError, RequestError

PEOPLE = ("Ada Quill", "Ben Ross", "Cy Dell")


@pytest.fixture
def corpus(tmp_path):
    """Facts of three people, of nobody, a document without any, one line that is none, one secret in two spellings."""
    rows = [
        {"text": f"{name} can be reached at 415-555-01{n}{m}.", "subjects": [name]}
        for m in range(4)
        for n, name in enumerate(PEOPLE)
    ]
    rows[3:3] = [{"text": "Nothing personal."}, {"text": "Somebody left the number 415-555-0187."}]
    rows.append({"text": "Call +1 415 555 0100 or write to nora@example.org."})
    path = tmp_path / "corpus.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n{bad\n")
    return path


def request(corpus, output, **more):
    return DetectRequest(corpus, output=output, progress=False, **more)


def search(corpus, output, world_size, ranks=None):
    for rank in range(world_size) if ranks is None else ranks:
        run_part(request(corpus, output, rank=rank, world_size=world_size))


@pytest.mark.parametrize("world_size", [1, 3, 20])  # 20 are more than there are lines
def test_parts_in_any_order_give_the_file_and_the_figures_of_one_process(corpus, tmp_path, world_size):
    alone, shared = tmp_path / "alone.jsonl", tmp_path / "shared.jsonl"
    whole = run_detect(request(corpus, alone))
    order = random.Random(world_size).sample(range(world_size), world_size)
    search(corpus, shared, world_size, order)
    gathered = run_detect(request(corpus, shared, world_size=world_size))
    assert shared.read_bytes() == alone.read_bytes()
    assert shared.stat().st_mode & 0o777 == 0o600
    for one, other in ((whole.result, gathered.result),):
        assert (one.documents, one.skipped, one.coverage) == (other.documents, other.skipped, other.coverage)
        assert (one.unlinked, dict(one.mentions)) == (other.unlinked, dict(other.mentions))
    assert whole.result.skipped, "the bad line is named"
    assert not list(tmp_path.glob("*.part-*")), "what the parts held is in one file now"


def test_a_request_is_shared_as_well(corpus, tmp_path):
    for name, size in (("alone.jsonl", None), ("shared.jsonl", 3)):
        output = tmp_path / name
        for rank in range(size or 0):
            run_part(request(corpus, output, rank=rank, world_size=size, subjects=["Ben Ross"]))
        detected = run_detect(request(corpus, output, world_size=size, subjects=["Ben Ross"]))
        assert {fact.subject for fact in detected.facts} == {"Ben Ross"}
    assert (tmp_path / "alone.jsonl").read_bytes() == (tmp_path / "shared.jsonl").read_bytes()


def test_a_part_that_is_there_is_not_searched_again(corpus, tmp_path):
    output = tmp_path / "facts.jsonl"
    part = request(corpus, output, rank=1, world_size=3)
    assert run_part(part) == 5
    before = Part(rank=1, world_size=3).path(output).stat().st_mtime_ns
    assert run_part(part) == 0
    assert Part(rank=1, world_size=3).path(output).stat().st_mtime_ns == before
    with corpus.open("a") as stream:
        stream.write(json.dumps({"text": "Ada Quill has moved."}) + "\n")
    assert run_part(part) == 6, "another corpus"


def test_a_part_that_is_missing_or_of_another_run_is_named_with_the_command(corpus, tmp_path):
    output = tmp_path / "facts.jsonl"
    search(corpus, output, 3, (0, 2))
    with pytest.raises(CorpusError, match="Part 1 of 3 is missing"):
        run_detect(request(corpus, output, world_size=3))
    run_part(request(corpus, output, rank=1, world_size=3, policy="strict"))
    with pytest.raises(CorpusError, match="another corpus, policy or request") as caught:
        run_detect(request(corpus, output, world_size=3))
    assert "--rank 1 --world-size 3" in str(caught.value)
    assert not output.exists()


@pytest.mark.parametrize("damage", ["torn", "{}", "[1", '{"document": "x"}'])
def test_a_damaged_part_is_named_by_line_and_shows_nothing(corpus, tmp_path, damage):
    output = tmp_path / "facts.jsonl"
    search(corpus, output, 2)
    path = Part(rank=1, world_size=2).path(output)
    lines = path.read_text().splitlines()
    lines[2] = lines[2][:-9] if damage == "torn" else damage
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(CorpusError, match="Line 3 of") as caught:
        run_detect(request(corpus, output, world_size=2))
    assert "555" not in str(caught.value)
    assert not output.exists()


@pytest.mark.parametrize(
    "wrong", [{"rank": 0}, {"rank": 3, "world_size": 3}, {"world_size": 2, "processes": 2}]
)
def test_a_rank_that_is_none_is_refused_before_anything_is_read(tmp_path, wrong):
    with pytest.raises(RequestError):
        request(tmp_path / "no.jsonl", tmp_path / "facts.jsonl", **wrong)


def test_parts_need_a_place(corpus):
    with pytest.raises(RequestError):
        DetectRequest(corpus, rank=0, world_size=2)


def test_a_pipelines_step_searches_its_tasks_part_and_hands_documents_on(corpus, tmp_path):
    alone, shared = tmp_path / "alone.jsonl", tmp_path / "shared.jsonl"
    run_detect(request(corpus, alone))
    step = DetectStep(request(corpus, shared))
    for rank in range(3):
        assert step(["handed on"], rank=rank, world_size=3) == ["handed on"]
    run_detect(request(corpus, shared, world_size=3))
    assert shared.read_bytes() == alone.read_bytes()


def test_datatroves_executor_runs_it(corpus, tmp_path):
    executors = pytest.importorskip("datatrove.executor")
    alone, shared = tmp_path / "alone.jsonl", tmp_path / "shared.jsonl"
    whom = {"subjects": ["Ada Quill"]}
    run_detect(request(corpus, alone, **whom))
    pipeline = [DetectStep(request(corpus, shared, **whom))]
    executors.LocalPipelineExecutor(pipeline, tasks=3, workers=1, logging_dir=str(tmp_path / "logs")).run()
    run_detect(request(corpus, shared, world_size=3, **whom))
    assert shared.read_bytes() == alone.read_bytes()
    logs = "".join(p.read_text(errors="replace") for p in (tmp_path / "logs").rglob("*") if p.is_file())
    assert "Quill" not in logs
    assert "555" not in logs


def test_the_command_searches_and_gathers(corpus, tmp_path):
    from click.testing import CliRunner

    from editor.cli import cli

    output = tmp_path / "facts.jsonl"
    arguments = ["detect", str(corpus), "--output", str(output), "--quiet", "--world-size", "2"]
    for rank in ("0", "1"):
        result = CliRunner().invoke(cli, [*arguments, "--rank", rank])
        assert result.exit_code == 0, result.output
        assert f"Part {rank} of 2 is complete" in result.output
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 4, "the bad line"
    assert output.is_file()
