"""Jobs of a model over the frames of an index: arguments, start, and reading of frames in worker processes."""
import argparse
import functools
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

from mmpose_integral.formats.h80k_index import H80KIndex, load_index
from mmpose_integral.formats.origin import IMAGES, check_images, origin_of
from mmpose_integral.preparation.sharded_job import run_sharded
from mmpose_integral.utils.config_files import read_config
from mmpose_integral.utils.files import check_file
from mmpose_integral.utils.launch import LAUNCHERS, join_gloo_group
from mmpose_integral.utils.number_arguments import at_least_one, at_least_zero
from mmpose_integral.utils.outputs import check_arguments, output_file

# Timeout of a rank, s. Ranks are synchronised only at the start and at the end of a job, which may take hours.
DAY_S = 24 * 3600


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every resumable job over an index."""
    parser.add_argument('--index', type=Path, required=True, help='index of a split, a product of `prepare index`')
    parser.add_argument('--root', type=Path, required=True, help='folder that holds Train, Val and Test')
    parser.add_argument('--out', type=output_file(of=Path), required=True,
                        help='product; <out>.parts holds the unfinished work')
    parser.add_argument('--batch-size', type=at_least_one, default=32,
                        help='frames per step of the model (default: 32)')
    parser.add_argument('--num-workers', type=at_least_zero, default=2, help='reading processes per rank (default: 2)')
    parser.add_argument('--device', help='default: one GPU per rank if there are GPUs, otherwise cpu')
    parser.add_argument('--fresh', action='store_true', help='start over instead of continuing an earlier run')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none')


def load_frames(args: argparse.Namespace) -> H80KIndex:
    """Load the index of a job with the options of :func:`add_job_arguments`.

    Raises:
        FileNotFoundError, ValueError: If it is no index, or images in the root have changed since they were indexed.
        OutputError: If the product would replace the index or another input.
    """
    check_arguments(args, 'out')
    index = load_index(args.index)
    check_images(index, args.index, args.root)
    return index


def launch(launcher: str) -> None:
    """Join the process group of a preparation job, with one of ``LAUNCHERS``."""
    set_multi_processing(distributed=launcher != 'none')
    join_gloo_group(launcher, DAY_S)


def choose_checkpoint(config: str | Path, checkpoint: str | None) -> str:
    """Choose the given checkpoint, a file or URL, or the public one that the config names.

    Raises:
        FileNotFoundError: If there is no such config, or neither gives a checkpoint.
    """
    check_file(config, 'config file')
    checkpoint = checkpoint or read_config(config, 'model').get('load_from')
    if not checkpoint:
        raise FileNotFoundError(f'{config}: no checkpoint is given, and the config has no load_from that names public '
                                'weights; train the model, and give its checkpoint after the config')
    return checkpoint


def read_image(path: str | Path) -> np.ndarray:
    """Read an image, (H, W, 3) uint8, BGR; its EXIF orientation is ignored, as in training.

    Raises:
        ValueError: If the file cannot be decoded.
    """
    try:
        image = mmcv.imread(str(path), flag='color_ignore_orientation')
    except cv2.error:  # as of a file that declares a huge picture
        image = None
    if image is None:
        raise ValueError(f'{path} cannot be decoded; `prepare index --fresh` lists all such frames')
    return image


def read_and_prepare(prepare: Callable[[int, np.ndarray], Any], frames: Sequence[tuple[int, Path]]) -> list:
    """Call ``prepare`` with id and image of each frame, given by id and file; this happens in a worker process."""
    return [prepare(frame_id, read_image(path)) for frame_id, path in frames]


def _ignore_ctrl_c(_: int) -> None:
    """Ignore Ctrl-C in a worker; the main process receives it too, and stops the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_over_frames(args: argparse.Namespace, index: H80KIndex, prepare: Callable[[int, np.ndarray], Any],
                    predict: Callable[[list], list[dict]], settings: dict, title: str,
                    without_model: Callable[[int], dict | None] = lambda frame_id: None) -> dict[int, dict] | None:
    """Make a record of every frame of an index, on all ranks; a stopped run continues where it stopped.

    Args:
        args: Options of :func:`add_job_arguments`.
        index: Index of the split.
        prepare: Function of frame id and image, called in a worker process; its result is sent to that of the model.
        predict: Function from a list of prepared frames to their records.
        settings: Further values that the results depend on; see :func:`run_sharded`.
        title: Text before the progress bar.
        without_model: Function from a frame id to its record, or to None where the model has to run.

    Returns:
        Records by frame id on rank 0, None elsewhere.
    """
    def stream(frame_ids: list[int]) -> Iterator[list[dict]]:
        known = {frame_id: without_model(frame_id) for frame_id in frame_ids}
        yield [record for record in known.values() if record]
        frames = [(frame_id, args.root / paths[frame_id]) for frame_id, record in known.items() if not record]
        for batch in DataLoader(frames, args.batch_size, num_workers=args.num_workers,
                                collate_fn=functools.partial(read_and_prepare, prepare),
                                worker_init_fn=_ignore_ctrl_c):
            yield predict(batch)

    paths = dict(zip(index.frame_ids.tolist(), index.img_paths.tolist(), strict=True))
    return run_sharded(args.out, origin_of(index, IMAGES) | settings, index.frame_ids.tolist(), stream,
                       f'{title} {index.split}', args.fresh)
