"""A job over many frames that can be stopped at any moment and continued, on any number of ranks.

Beside its product ``<out>``, the job has a folder ``<out>.parts``::

    settings.json    settings that the results depend on; a run with other settings is refused
    rank0.jsonl ...  one finished frame per line: {"frame_id": 7, ...}

A frame is finished when its line is complete. Any rank may have written it, so the number of ranks may change between
two runs. The folder is kept, so that a repeated run only processes frames without a result.
"""
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mmengine.dist import barrier, broadcast_object_list, get_rank, get_world_size

from mmpose_integral.utils.files import named_in_errors, write_json
from mmpose_integral.utils.locks import empty_folder, lock_folder
from mmpose_integral.utils.progress import progress_bar
from mmpose_integral.utils.reading import parse_json, read_json_object, read_limited

ADDED_SETTINGS = ('hash_of_images', )
"""Settings that earlier versions did not store; the results of their runs are used with any value."""


def run_sharded(out: str | Path, settings: dict, frame_ids: Sequence[int],
                stream: Callable[[list[int]], Iterable[list[dict]]], title: str,
                fresh: bool = False) -> dict[int, dict] | None:
    """Process the frames that are not finished.

    Args:
        out: Product of the job, which also gives the parts folder its name.
        settings: Settings that the results depend on, as JSON values.
        frame_ids: Ids of all frames of the job.
        stream: Generator function that takes this rank's frames and yields lists of records, dicts with ``frame_id``
            and JSON values.
        title: Text before the progress bar, which rank 0 shows.
        fresh: Whether to delete the results of an earlier run.

    Returns:
        Records of ``frame_ids`` on rank 0, None elsewhere.

    Raises:
        ValueError: If an earlier run had other settings, or a line of the parts folder is damaged; raised on every
            rank.
        InUseError: If another run works on the same product; raised on rank 0.
        RuntimeError: If a frame has no record at the end.
    """
    parts = Path(f'{out}.parts')
    with lock_folder(parts, 'run of this command') if get_rank() == 0 else contextlib.nullcontext():
        return _run(parts, settings, frame_ids, stream, title, fresh)


def _run(parts: Path, settings: dict, frame_ids: Sequence[int], stream: Callable[[list[int]], Iterable[list[dict]]],
         title: str, fresh: bool) -> dict[int, dict] | None:
    rank, ranks = get_rank(), get_world_size()
    done = _finished_frames(parts, settings, fresh)
    mine = [i for i in frame_ids if i not in done][rank::ranks]
    shown = title if ranks == 1 else f'{title} (rank 0 of {ranks})'
    path = parts / f'rank{rank}.jsonl'
    with progress_bar(title=shown, total=len(mine), disable=rank != 0) as bar:
        for records in stream(mine) if mine else ():
            with named_in_errors(path), open(path, 'a') as file:
                file.write(''.join(json.dumps(record) + '\n' for record in records))
            bar.update(len(records))
    barrier()
    if rank != 0:
        return None
    results = _results(parts)
    lost = [i for i in frame_ids if i not in results]
    if lost:
        raise RuntimeError(f'{len(lost)} frames have no result in {parts}, the first of them is {lost[0]}. '
                           'Make sure that all ranks see this folder, and run the command again')
    return {i: results[i] for i in frame_ids}


def _finished_frames(parts: Path, settings: dict, fresh: bool) -> set[int]:
    """Prepare the parts folder on rank 0, and send the ids of the finished frames, or the error, to every rank."""
    answer: list[set[int] | ValueError] = [set()]
    if get_rank() == 0:
        try:
            _prepare_folder(parts, settings, fresh)
            answer = [set(_results(parts))]
        except ValueError as error:
            answer = [error]
    broadcast_object_list(answer)
    if isinstance(answer[0], ValueError):
        raise answer[0]
    return answer[0]


def _prepare_folder(parts: Path, settings: dict, fresh: bool) -> None:
    if fresh:
        empty_folder(parts)
    header = parts / 'settings.json'
    if not header.is_file():
        # Without the header, the settings of part files are unknown. A run with --fresh that was stopped early
        # leaves such files.
        for path in parts.glob('rank*.jsonl'):
            path.unlink()
        write_json(header, settings)
    earlier = read_json_object(header)
    differing = [f'{key} (was {earlier.get(key)!r}, is {settings.get(key)!r})'
                 for key in sorted({*earlier, *settings}) if earlier.get(key) != settings.get(key)
                 and (key in earlier or key not in ADDED_SETTINGS)]
    if differing:
        raise ValueError(f'{parts} holds results of a run with other settings: {"; ".join(differing)}. '
                         'They cannot be combined: start over with --fresh, or write to another --out')
    for path in parts.glob('rank*.jsonl'):
        with open(path, 'r+b') as file:  # the rest after the last line break was incomplete at a kill
            file.truncate(file.read().rfind(b'\n') + 1)


def _results(parts: Path) -> dict[int, dict]:
    """Read the complete lines of all ranks: records by frame id."""
    records = {}
    for path in sorted(parts.glob('rank*.jsonl')):
        for number, line in enumerate(read_limited(path).decode(errors='replace').splitlines(), 1):
            try:
                record = parse_json(line)
                records[record['frame_id']] = record
            except (ValueError, TypeError, KeyError):
                raise ValueError(f'{path} is damaged in line {number}; remove that line, or start over with '
                                 '--fresh') from None
    return records


def fingerprint(*items: object) -> str:
    """Compute a short hash of files (given as ``Path``, by content) and of other values (by ``repr``)."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.read_bytes() if isinstance(item, Path) else repr(item).encode())
    return digest.hexdigest()[:16]
