"""A job over many frames: it can be stopped at any moment, goes on where it stopped, and runs on any number of ranks.

Beside its product ``<out>`` the job keeps a folder ``<out>.parts``::

    settings.json    what the results depend on; other settings refuse to go on with them
    rank0.jsonl ...  one finished frame a line: {"frame_id": 7, ...}

A frame is finished when its line is whole. Which rank wrote it does not matter, so the number of ranks may change
between two runs. The folder stays: a repeated run finds everything done, and frames added to the index later are the
only work.
"""
import hashlib
import json
import shutil
from pathlib import Path

from mmengine.dist import barrier, broadcast_object_list, get_rank, get_world_size

from mmpose_integral.utils.files import write_json
from mmpose_integral.utils.progress import progress_bar


class SettingsDiffer(ValueError):
    """The parts folder belongs to a run with other settings."""


class ShardedJob:
    """Bookkeeping of one job.

    Args:
        out (str | Path): the product that the job will lead to; names the parts folder.
        settings (dict[str, str | int | float | bool]): what the results depend on, JSON values.
        fresh (bool): throw away what an earlier run has done.
    """

    def __init__(self, out, settings, fresh=False):
        self.parts = Path(f'{out}.parts')
        self.settings = settings
        self.fresh = fresh

    def open(self):
        """Make the parts folder fit to go on with, on rank 0, and tell every rank what is done.

        Returns:
            set[int]: finished frames.

        Raises:
            SettingsDiffer: on every rank alike.
            ValueError: a damaged line.
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
            # Without its header a part file is of unknown origin: a --fresh that was stopped half-way leaves such
            # ones.
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

    def run(self, frame_ids, stream, title):
        """Do what is not done yet.

        Args:
            frame_ids (Sequence[int]): all frames of the job.
            stream (callable): takes this rank's frames (list[int]) and yields lists of records, dicts with
                ``frame_id`` and JSON values, as they get ready.
            title (str): for the progress bar, which rank 0 shows.

        Returns:
            dict[int, dict] | None: the records of ``frame_ids`` on rank 0, None elsewhere.

        Raises:
            RuntimeError: a frame came out without a record.
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

    def results(self):
        """All whole lines of all ranks.

        Returns:
            dict[int, dict]: frame id to record, in the order of the ids.

        Raises:
            ValueError: a line is no record, and the message names it.
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


def drop_unfinished_line(path):
    """Cut a file after its last line break: what follows was being written when the run was killed."""
    data = path.read_bytes()
    whole = data.rfind(b'\n') + 1
    if whole < len(data):
        with open(path, 'r+b') as file:
            file.truncate(whole)


def fingerprint(*items):
    """Short hash of files (given as ``Path``, by content) and of any values that ``repr`` tells apart."""
    digest = hashlib.sha256()
    for item in items:
        if isinstance(item, Path):
            with open(item, 'rb') as file:
                for block in iter(lambda file=file: file.read(1 << 22), b''):
                    digest.update(block)
        else:
            digest.update(repr(item).encode())
    return digest.hexdigest()[:16]
