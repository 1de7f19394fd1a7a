"""Files that an inferencer leaves behind: pictures or a video, and predictions, named and laid out as mmpose's."""
import contextlib
from pathlib import Path

import cv2
from mmengine.logging import print_log

from mmpose_integral.utils.files import replace_when_done, write_json
from mmpose_integral.visualization import save_picture


class ResultFiles:
    """Pictures and predictions of one call; a context manager, which finishes a video also after an error or Ctrl-C.

    Args:
        vis_out_dir (str): folder for pictures or the video, or one file; '' for none.
        pred_out_dir (str): folder for JSON; '' for none. An image's file is a list of people, a video's a list of
            ``frame_id`` and ``instances``.
        media (Media): what is being looked at.

    Raises:
        ValueError: one file for several images.
    """

    def __init__(self, vis_out_dir, pred_out_dir, media):
        self.media = media
        self.vis_out = Path(vis_out_dir) if vis_out_dir else None
        self.pred_out = Path(pred_out_dir) if pred_out_dir else None
        if self.vis_out is not None and self.vis_out.suffix and not media.is_video and media.count != 1:
            raise ValueError(f'vis_out_dir: a folder is expected for {media.count} images, got {vis_out_dir}')
        self._used, self._video, self._frames = set(), None, []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._video is not None:
            self._video.close()
        if self.media.is_video and self.pred_out is not None and self._frames:
            write_json(self.pred_out / f'{Path(self.media.name).stem}.json', self._frames, indent=2)

    def add(self, name, index, picture, persons):
        """Write what belongs to one image.

        Args:
            name (str): of the image.
            index (int): of the frame.
            picture (np.ndarray | None): (H, W, 3) uint8 RGB.
            persons (list[dict] | None): see :func:`mmpose_integral.apis.people.to_dicts`.
        """
        name = name if self.media.is_video else unused_name(Path(name).name, self._used)
        if self.vis_out is not None and picture is not None:
            if self.media.is_video:
                self._add_to_video(picture)
            else:
                path = self.vis_out if self.vis_out.suffix else self.vis_out / _writable(name)
                save_picture(picture, str(path))
                print_log(f'wrote {path}', logger='current')
        if self.pred_out is not None and persons is not None:
            if self.media.is_video:
                self._frames.append(dict(frame_id=index, instances=persons))
            else:
                write_json(self.pred_out / f'{Path(name).stem}.json', persons, indent=2)

    def _add_to_video(self, picture):
        if self._video is None:
            path = self.vis_out if self.vis_out.suffix else self.vis_out / f'{Path(self.media.name).stem}.mp4'
            self._video = VideoFile(path, self.media.fps, picture.shape[1::-1])
        self._video.write(picture)


class VideoFile:
    """A video that gets its name when it is closed.

    Args:
        path (Path): file to write; missing folders are made.
        fps (float): frames a second; 25 where it is not known.
        size (tuple[int]): width, height of the frames, px.

    Raises:
        OSError: OpenCV cannot write such a file.
    """

    def __init__(self, path, fps, size):
        self.path, self.size, self._files = path, tuple(size), contextlib.ExitStack()
        self._temporary = self._files.enter_context(replace_when_done(path))
        self._writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter_fourcc(*'mp4v'), fps or 25, self.size)
        if not self._writer.isOpened():
            raise OSError(f'{path}: OpenCV cannot write this kind of video; a name that ends in .mp4 is expected')

    def write(self, picture):
        """Append a frame, (H, W, 3) uint8 RGB; one of another size is fitted, since OpenCV would drop it silently."""
        if picture.shape[1::-1] != self.size:
            picture = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA)
        self._writer.write(picture[..., ::-1])

    def close(self):
        """Finish the file; what was written so far stays."""
        self._writer.release()
        self._files.close()
        print_log(f'wrote {self.path}', logger='current')


def unused_name(name, used):
    """Name of a file whose stem is not in the set ``used`` and is added to it: a.jpg, or a.png, may become a_1.jpg."""
    path, number = Path(name), 1
    while path.stem in used:
        path, number = Path(f'{Path(name).stem}_{number}{Path(name).suffix}'), number + 1
    used.add(path.stem)
    return path.name


def _writable(name):
    """The name, with .jpg appended where OpenCV does not write such files."""
    return name if cv2.haveImageWriter(name) else f'{name}.jpg'
