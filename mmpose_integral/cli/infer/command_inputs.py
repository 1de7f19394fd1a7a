"""Inputs on the command line, sorted into images and videos before any of them is processed."""
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mmpose_integral.apis.addresses import local_path, name_of_address, scheme_of
from mmpose_integral.apis.file_kinds import images_of, kind_of, left_out_of
from mmpose_integral.apis.pictures import name_of
from mmpose_integral.apis.result_files import output_paths, unused_name
from mmpose_integral.apis.videos import is_camera


class Inputs(NamedTuple):
    """Image paths and URLs, and videos, streams and cameras, in the order given; sentences about files left out."""
    images: list[str]
    videos: list[str]
    notes: list[str]


def find_inputs(inputs: Sequence[str]) -> Inputs:
    """Sort files, folders, addresses and 'webcam[:N]' into images and videos; a folder is replaced by its images.

    FileNotFoundError is raised if there is no such file or folder, and ValueError if a folder has no images.
    """
    found = Inputs([], [], [])
    for item in inputs:
        local = None if is_camera(item) or scheme_of(item) else local_path(item)
        if local is not None and not local.exists():
            raise FileNotFoundError(f'{item}: no such file or folder')
        if local is not None and local.is_dir():
            found.images.extend(images_of(local))
            found.notes.extend(f'{item}: {note}' for note in [left_out_of(local)] if note)
        else:
            (found.videos if is_camera(item) or kind_of(item) != 'picture' else found.images).append(item)
    return found


def file_names(inputs: Inputs) -> list[str]:
    """Unique names for the output files of the images; a second a.jpg becomes a_1.jpg.

    ValueError is raised if two videos have the same name, because their files would replace each other.
    """
    used: dict[str, str] = {}
    for video in inputs.videos:
        stem = _stem(video)
        if stem in used:
            raise ValueError(f'{used[stem]} and {video} would both be written as {stem}.mp4 and {stem}.json; give them '
                             'in two calls with different folders')
        used[stem] = video
    taken = set(used)
    return [unused_name(name_of(image, 0), taken) for image in inputs.images]


def outputs_of(inputs: Inputs, vis_out_dir: str, pred_out_dir: str) -> Iterator[Path]:
    """Files that are written for the inputs into folders, which may be ''. ValueError as :func:`file_names`."""
    vis_out, pred_out = (Path(folder) if folder else None for folder in (vis_out_dir, pred_out_dir))
    yield from output_paths(vis_out, pred_out, file_names(inputs), is_video=False)
    yield from output_paths(vis_out, pred_out, [f'{_stem(video)}.mp4' for video in inputs.videos], is_video=True)


def originals_of(inputs: Inputs) -> list[Path]:
    """Files of this machine among the inputs."""
    return [local_path(item) for item in (*inputs.images, *inputs.videos) if not (is_camera(item) or scheme_of(item))]


def _stem(video: str) -> str:
    if is_camera(video):
        return 'webcam'
    return Path(name_of_address(video) if scheme_of(video) else local_path(video)).stem
