"""Reading and preparation of frames in worker processes, in parallel with the model."""
import argparse
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from torch.utils.data import DataLoader, Dataset

from mmpose_integral.formats.h80k_index import H80KIndex
from mmpose_integral.preparation.sharded_job import ShardedJob


def read_image(path: str | Path) -> np.ndarray:
    """Read an image, (H, W, 3) uint8, BGR; its EXIF orientation is ignored, as in training.

    Raises:
        ValueError: If the file cannot be decoded.
    """
    image = mmcv.imread(str(path), flag='color_ignore_orientation')
    if image is None:
        raise ValueError(f'{path} cannot be decoded; `prepare index --fresh` lists all such frames')
    return image


class FrameDataset(Dataset):
    """Frames of an index, each read and passed to ``prepare``.

    Args:
        root: Folder that the paths of the index are relative to.
        index: Index of the split.
        frame_ids: Wanted frames, in this order.
        prepare: Function that is called with frame id and image, in a worker process. Its result is sent to the process
            of the model.
    """

    def __init__(self, root: str | Path, index: H80KIndex, frame_ids: Sequence[int],
                 prepare: Callable[[int, np.ndarray], Any]) -> None:
        paths = dict(zip(index.frame_ids.tolist(), index.img_paths.tolist(), strict=True))
        self.paths = [Path(root) / paths[i] for i in frame_ids]
        self.frame_ids, self.prepare = frame_ids, prepare

    def __len__(self) -> int:
        return len(self.frame_ids)

    def __getitem__(self, i: int) -> Any:
        return self.prepare(self.frame_ids[i], read_image(self.paths[i]))


def _ignore_ctrl_c(_: int) -> None:
    """Ignore Ctrl-C in a worker; the main process receives it too, and stops the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_over_frames(args: argparse.Namespace, index: H80KIndex, prepare: Callable[[int, np.ndarray], Any],
                    predict: Callable[[list], list[dict]], settings: dict, title: str,
                    without_model: Callable[[int], dict | None] = lambda frame_id: None) -> dict[int, dict] | None:
    """Make a record of every frame of an index, on all ranks; a stopped run continues where it stopped.

    Args:
        args: Options of :func:`mmpose_integral.preparation.job_command.add_job_arguments`.
        index: Index of the split.
        prepare: Function for worker processes; see :class:`FrameDataset`.
        predict: Function from a list of prepared frames to their records.
        settings: Further values that the results depend on; see :class:`ShardedJob`.
        title: Text before the progress bar.
        without_model: Function from a frame id to its record, or to None where the model has to run.

    Returns:
        Records by frame id on rank 0, None elsewhere.
    """
    def stream(frame_ids: list[int]) -> Iterator[list[dict]]:
        known = {frame_id: without_model(frame_id) for frame_id in frame_ids}
        yield [record for record in known.values() if record]
        frames = FrameDataset(args.root, index, [i for i, record in known.items() if not record], prepare)
        for batch in DataLoader(frames, args.batch_size, num_workers=args.num_workers, collate_fn=list,
                                worker_init_fn=_ignore_ctrl_c):
            yield predict(batch)

    job = ShardedJob(args.out, dict(split=index.split, **settings), args.fresh)
    return job.run(index.frame_ids.tolist(), stream, f'{title} {index.split}')
