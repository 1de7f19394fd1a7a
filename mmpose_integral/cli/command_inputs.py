"""What users name on a command line, sorted into images and videos, before anything is opened."""
from pathlib import Path
from typing import NamedTuple

from mmpose_integral.apis.media import images_of, is_camera, is_video_name
from mmpose_integral.apis.result_files import unused_name


class Inputs(NamedTuple):
    """What there is to look at: image paths and addresses, and videos and cameras, in the order given."""
    images: list
    videos: list


def find_inputs(inputs):
    """Sort into images and videos; folders stand for the images in them.

    Args:
        inputs (Sequence[str]): files, folders, addresses, 'webcam[:N]'.

    Returns:
        Inputs: nothing has been opened yet.

    Raises:
        FileNotFoundError: no such file or folder.
        ValueError: a folder without images.
    """
    images, videos = [], []
    for item in inputs:
        if is_camera(item) or is_video_name(item):
            videos.append(item)
        elif '://' not in item and Path(item).is_dir():
            images += images_of(item)
        else:
            images.append(item)
        if not is_camera(item) and '://' not in item and not Path(item).exists():
            raise FileNotFoundError(f'{item}: no such file or folder')
    return Inputs(images, videos)


def file_names(inputs):
    """A name for the files of each image that nothing else of the inputs has: a.jpg of a second folder is a_1.jpg.

    Args:
        inputs (Inputs): see :func:`find_inputs`.

    Returns:
        list[str]: for each image.

    Raises:
        ValueError: two videos of one name, which would replace each other's files.
    """
    used = {}
    for video in inputs.videos:
        stem = 'webcam' if is_camera(video) else Path(video).stem
        if stem in used:
            raise ValueError(f'{used[stem]} and {video} would both be written as {stem}.mp4 and {stem}.json; give them '
                             'in two calls with different folders')
        used[stem] = video
    taken = set(used)
    return [unused_name(Path(image).name, taken) for image in inputs.images]
