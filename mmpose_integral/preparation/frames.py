"""Reading and preparing frames in worker processes, so that the model is never waiting for a decoder."""
import signal
from pathlib import Path

import mmcv
from torch.utils.data import DataLoader, Dataset

from mmpose_integral.preparation.sharded_job import ShardedJob


def read_image(path):
    """Read an image with the one colour type of the whole chain.

    EXIF orientation is ignored: boxes and joints must refer to the pixels that training sees.

    Args:
        path (str | Path): image file.

    Returns:
        np.ndarray: (H, W, 3) uint8, BGR.

    Raises:
        ValueError: the file cannot be decoded.
    """
    image = mmcv.imread(str(path), flag='color_ignore_orientation')
    if image is None:
        raise ValueError(f'{path} cannot be decoded; index_h80k.py --fresh lists all such frames')
    return image


class FrameDataset(Dataset):
    """Some frames of an index, each read and handed to ``prepare``.

    Args:
        root (str | Path): what the index's paths are relative to.
        index (H80KIndex): the split.
        frame_ids (Sequence[int]): the frames wanted, in this order.
        prepare (callable): called with frame id and image, in a worker process; its result reaches the model's
            process.
    """

    def __init__(self, root, index, frame_ids, prepare):
        paths = dict(zip(index.frame_ids.tolist(), index.img_paths.tolist(), strict=True))
        self.paths = [Path(root) / paths[i] for i in frame_ids]
        self.frame_ids, self.prepare = frame_ids, prepare

    def __len__(self):
        return len(self.frame_ids)

    def __getitem__(self, i):
        return self.prepare(self.frame_ids[i], read_image(self.paths[i]))


def iterate_batches(dataset, batch_size, num_workers):
    """Batches of a :class:`FrameDataset` as lists of what ``prepare`` made, in order."""
    return DataLoader(dataset, batch_size, num_workers=num_workers, collate_fn=list, worker_init_fn=_leave_ctrl_c)


def _leave_ctrl_c(_):
    """Ctrl-C reaches every process of the terminal; only the main one is to answer, and it stops the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_over_frames(args, index, prepare, predict, settings, title, without_model=lambda frame_id: None):
    """Make a record of every frame of an index, on all ranks; a stopped run goes on where it stopped.

    Args:
        args (argparse.Namespace): Options of :func:`mmpose_integral.preparation.job_command.add_job_arguments`.
        index (H80KIndex): Split.
        prepare (callable): See :class:`FrameDataset`.
        predict (callable): Function from a list of prepared frames to their records.
        settings (dict): Further values that the results depend on; see :class:`ShardedJob`.
        title (str): Text before the progress bar.
        without_model (callable): Function from a frame id to its record, or to None where the model has to run.

    Returns:
        dict[int, dict] | None: Records by frame id on rank 0, None elsewhere.
    """
    def stream(frame_ids):
        known = {frame_id: without_model(frame_id) for frame_id in frame_ids}
        yield [record for record in known.values() if record]
        frames = FrameDataset(args.root, index, [i for i, record in known.items() if not record], prepare)
        for batch in iterate_batches(frames, args.batch_size, args.num_workers):
            yield predict(batch)

    job = ShardedJob(args.out, dict(split=index.split, **settings), args.fresh)
    return job.run(index.frame_ids, stream, f'{title} {index.split}')
