"""Reading and preparing frames in worker processes, so that the model is never waiting for a decoder."""
import signal
from pathlib import Path

import mmcv
from torch.utils.data import DataLoader, Dataset


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
