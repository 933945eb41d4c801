"""Activations on disk: written while they are first read from the model, mapped into memory afterwards.

A folder named by `activations_key` holds `cache.json` and one file of float32 rows for each site. It appears
whole, when a pass has ended, or not at all. Rows come back bit for bit, in the same pieces, so training from
the cache and from the model gives the same dictionary.
"""

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dictionaries.model.activations import Pieces, Source, Tally
from dictionaries.model.sites import Site, parse_site
from policies.errors import DictionaryError, OutputError

INDEX = "cache.json"
VERSION = 1


class CachedSource:
    """A source whose pieces are kept on disk.

    Args:
        source: where the pieces come from the first time.
        folder: folder of all caches; it is made.
        key: hexadecimal digest that identifies these activations, from `activations_key`.
        sites: the sites read.
    """

    def __init__(self, source: Source, folder: Path, key: str, sites: Sequence[Site]) -> None:
        self._source, self._folder, self._sites = source, folder / key[:32], tuple(sites)

    @property
    def complete(self) -> bool:
        """Whether everything is on disk."""
        return (self._folder / INDEX).is_file()

    def pieces(self, first: int, tally: Tally) -> Pieces:
        """Yield one pass from batch `first` on; see `Source`.

        Raises:
            OutputError: the folder cannot be written, or a file in it has another length than the index says.
        """
        if self.complete:
            return self._read(first, tally)
        return self._source.pieces(first, tally) if first else self._write(tally)

    def _write(self, tally: Tally) -> Pieces:
        partial = self._folder.with_name(f".{self._folder.name}.{uuid.uuid4().hex[:8]}")
        index: dict[str, Any] = {"version": VERSION, "width": 0, "rows": [], "sinks": []}
        try:
            partial.mkdir(parents=True)
            with ExitStack() as files:
                streams = {s: files.enter_context((partial / f"{s}.f32").open("wb")) for s in self._sites}
                for piece, sinks in _count_sinks(self._source.pieces(0, tally), tally):
                    for site, stream in streams.items():
                        stream.write(piece[site].cpu().contiguous().numpy().data)
                    index["rows"].append(len(piece[self._sites[0]]))
                    index["sinks"].append({str(site): count for site, count in sinks.items() if count})
                    index["width"] = piece[self._sites[0]].shape[1]
                    yield piece
            (partial / INDEX).write_text(json.dumps(index) + "\n", encoding="utf-8")
            if not self.complete:  # another process may have been quicker
                partial.rename(self._folder)
        except OSError as error:
            raise OutputError(
                f"Activations cannot be cached in {self._folder.parent} ({error.strerror})",
                "Name a folder on a disk with room for them",
            ) from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _read(self, first: int, tally: Tally) -> Pieces:
        try:
            index = json.loads((self._folder / INDEX).read_text(encoding="utf-8"))
            rows, width = [int(count) for count in index["rows"]], int(index["width"])
            sinks = [
                {parse_site(name): int(count) for name, count in found.items()} for found in index["sinks"]
            ]
            if len(sinks) != len(rows):
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, DictionaryError):
            raise OutputError(
                f"{self._folder / INDEX} is damaged", f"Remove {self._folder} and run again"
            ) from None
        maps = {site: self._map_file(site, sum(rows), width) for site in self._sites}
        start = sum(rows[:first])
        for count, found in zip(rows[first:], sinks[first:], strict=True):
            tally.tokens += count
            tally.sinks.update(found)
            # A copy, because a mapped file is not writable and torch would warn of it.
            yield {
                site: torch.from_numpy(np.array(mapped[start : start + count]))
                for site, mapped in maps.items()
            }
            start += count

    def _map_file(self, site: Site, rows: int, width: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
        file = self._folder / f"{site}.f32"
        if not file.is_file() or file.stat().st_size != 4 * rows * width:
            raise OutputError(
                f"{file} is missing or has another length than its {INDEX} says",
                f"Remove {self._folder} and run again",
            )
        return np.memmap(file, dtype=np.float32, mode="r", shape=(rows, width))


def _count_sinks(pieces: Pieces, tally: Tally) -> Iterator[tuple[dict[Site, Tensor], Counter[Site]]]:
    """Yield each piece with the sinks that were left out of it."""
    before = tally.sinks.copy()
    for piece in pieces:
        yield piece, tally.sinks - before
        before = tally.sinks.copy()
