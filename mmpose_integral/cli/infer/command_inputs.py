"""Inputs on the command line, sorted into images and videos before any file is opened."""
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmpose_integral.apis.media import images_of, is_camera, is_video_name
from mmpose_integral.apis.result_files import unused_name


class Inputs(NamedTuple):
    """Image paths and URLs, and videos and cameras, in the order given."""
    images: list[str]
    videos: list[str]


def find_inputs(inputs: Sequence[str]) -> Inputs:
    """Sort files, folders, URLs and 'webcam[:N]' into images and videos; a folder is replaced by its images.

    FileNotFoundError is raised if there is no such file or folder, and ValueError if a folder has no images.
    """
    images: list[str] = []
    videos: list[str] = []
    for item in inputs:
        if not is_camera(item) and '://' not in item and not Path(item).exists():
            raise FileNotFoundError(f'{item}: no such file or folder')
        if is_camera(item) or is_video_name(item):
            videos.append(item)
        else:
            images += images_of(item) if Path(item).is_dir() else [item]
    return Inputs(images, videos)


def file_names(inputs: Inputs) -> list[str]:
    """Unique names for the output files of the images; a second a.jpg becomes a_1.jpg.

    ValueError is raised if two videos have the same name, because their files would replace each other.
    """
    used: dict[str, str] = {}
    for video in inputs.videos:
        stem = 'webcam' if is_camera(video) else Path(video).stem
        if stem in used:
            raise ValueError(f'{used[stem]} and {video} would both be written as {stem}.mp4 and {stem}.json; give them '
                             'in two calls with different folders')
        used[stem] = video
    taken = set(used)
    return [unused_name(Path(image).name, taken) for image in inputs.images]
