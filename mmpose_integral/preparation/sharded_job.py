"""A job over many frames that can be stopped at any moment and continued, on any number of ranks.

Beside its product ``<out>``, the job has a folder ``<out>.parts``::

    settings.json    settings that the results depend on; a run with other settings is refused
    rank0.jsonl ...  one finished frame per line: {"frame_id": 7, ...}

A frame is finished when its line is complete. Any rank may have written it, so the number of ranks may change between
two runs. The folder is kept, so that a repeated run only processes frames that were added to the index.
"""
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.dist import barrier, broadcast_object_list, get_rank, get_world_size

from mmpose_integral.utils.files import write_json
from mmpose_integral.utils.progress import progress_bar


class SettingsDiffer(ValueError):
    """Error if the parts folder belongs to a run with other settings."""


class ShardedJob:
    """State of one job.

    Args:
        out: Product of the job, which also gives the parts folder its name.
        settings: Settings that the results depend on, as JSON values.
        fresh: Whether to delete the results of an earlier run.
    """

    def __init__(self, out: str | Path, settings: dict[str, str | int | float | bool], fresh: bool = False) -> None:
        self.parts = Path(f'{out}.parts')
        self.settings = settings
        self.fresh = fresh

    def open(self) -> set[int]:
        """Prepare the parts folder on rank 0, and send the finished frames to every rank.

        Returns:
            Ids of finished frames.

        Raises:
            SettingsDiffer: If an earlier run had other settings; raised on every rank.
            ValueError: If a line is damaged; raised on every rank.
        """
        answer = [None]
        if get_rank() == 0:
            try:
                answer = [self._prepare()]
            except ValueError as error:
                answer = [error]
        broadcast_object_list(answer)
        if isinstance(answer[0], ValueError):
            raise answer[0]
        return answer[0]

    def _prepare(self):
        if self.fresh and self.parts.is_dir():
            shutil.rmtree(self.parts)
        self.parts.mkdir(parents=True, exist_ok=True)
        header = self.parts / 'settings.json'
        if header.is_file():
            self._compare(json.loads(header.read_text()))
        else:
            # Without the header, the settings of part files are unknown. A run with --fresh that was stopped early
            # leaves such files.
            for path in self.parts.glob('rank*.jsonl'):
                path.unlink()
            write_json(header, self.settings)
        for path in self.parts.glob('rank*.jsonl'):
            drop_unfinished_line(path)
        return set(self.results())

    def _compare(self, earlier):
        differing = [f'{key} (was {earlier.get(key)!r}, is {self.settings.get(key)!r})'
                     for key in sorted(set(earlier) | set(self.settings))
                     if earlier.get(key) != self.settings.get(key)]
        if differing:
            raise SettingsDiffer(
                f'{self.parts} holds results of a run with other settings: {"; ".join(differing)}. The two do not '
                'mix: start over with --fresh, or write to another --out.')

    def run(self, frame_ids: Sequence[int], stream: Callable, title: str) -> dict[int, dict] | None:
        """Process the frames that are not finished.

        Args:
            frame_ids: Ids of all frames of the job.
            stream: Generator function that takes this rank's frames (list[int]) and yields lists of records, dicts with
                ``frame_id`` and JSON values.
            title: Text before the progress bar, which rank 0 shows.

        Returns:
            Records of ``frame_ids`` on rank 0, None elsewhere.

        Raises:
            RuntimeError: If a frame has no record at the end.
        """
        done = self.open()
        todo = [int(i) for i in frame_ids if int(i) not in done]
        mine = todo[get_rank()::get_world_size()]
        with open(self.parts / f'rank{get_rank()}.jsonl', 'a') as file, self._bar(len(mine), title) as bar:
            for records in stream(mine) if mine else ():
                file.write(''.join(json.dumps(record) + '\n' for record in records))
                file.flush()
                bar.update(len(records))
        barrier()
        if get_rank() != 0:
            return None
        results = self.results()
        lost = [int(i) for i in frame_ids if int(i) not in results]
        if lost:
            raise RuntimeError(f'{len(lost)} frames have no result in {self.parts}, the first is {lost[0]}. All '
                               'ranks must see that folder; run again')
        return {int(i): results[int(i)] for i in frame_ids}

    def _bar(self, total, title):
        ranks = get_world_size()
        return progress_bar(title=title if ranks == 1 else f'{title} (rank 0 of {ranks})', total=total,
                            disable=get_rank() != 0)

    def results(self) -> dict[int, dict]:
        """Read the complete lines of all ranks.

        Returns:
            Records by frame id, in the order of the ids.

        Raises:
            ValueError: If a line is no record; the message names the line.
        """
        records = {}
        for path in sorted(self.parts.glob('rank*.jsonl')):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                try:
                    record = json.loads(line)
                    records[record['frame_id']] = record
                except (ValueError, TypeError, KeyError):
                    raise ValueError(f'{path} is damaged in line {number}; remove that line, or start over with '
                                     '--fresh') from None
        return dict(sorted(records.items()))


def drop_unfinished_line(path: Path) -> None:
    """Cut a file after its last line break. The rest is a line that was incomplete when the run was killed."""
    data = path.read_bytes()
    whole = data.rfind(b'\n') + 1
    if whole < len(data):
        with open(path, 'r+b') as file:
            file.truncate(whole)


def fingerprint(*items: object) -> str:
    """Compute a short hash of files (given as ``Path``, by content) and of other values (by ``repr``)."""
    digest = hashlib.sha256()
    for item in items:
        if isinstance(item, Path):
            with open(item, 'rb') as file:
                for block in iter(lambda file=file: file.read(1 << 22), b''):
                    digest.update(block)
        else:
            digest.update(repr(item).encode())
    return digest.hexdigest()[:16]
