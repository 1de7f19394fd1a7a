"""The files of the challenge's submission: writer and validator.

    Test_PRED/00001.csv ...     one per Test frame, named as its image: 17 rows ``x,y,z``, mm, root-relative, 2 decimals
    Test_Prediction.JSON        [{"image_id": 1, "keypoints": [[51 numbers]]}, ...], the same numbers

They lie in one ZIP archive or in one folder. Joints are those of the pose files, in the same order.
"""
import functools
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mmpose_integral.formats.frame_checks import LARGEST_MM, MAX_POSE_BYTES, FaultyFile, parse_pose
from mmpose_integral.formats.h80k_index import H80KIndex
from mmpose_integral.structures.skeleton import NUM_FILE_JOINTS, NUM_JOINTS
from mmpose_integral.utils.errors import in_line
from mmpose_integral.utils.files import replace_when_done
from mmpose_integral.utils.reading import (
    UnreadableFile,
    open_archive,
    parse_json,
    read_limited,
    read_member,
)

CSV_FOLDER, JSON_NAME = 'Test_PRED', 'Test_Prediction.JSON'
ROUNDING_MM = 0.0051  # half of the last decimal that is written, and a tolerance for binary fractions
_JSON_BYTES_PER_FRAME = 8000  # 51 numbers with all digits have less than 2 kB
_CSV_TEMPLATE = '%.2f,%.2f,%.2f\n' * NUM_FILE_JOINTS


class SubmissionError(ValueError):
    """A submission that the challenge would refuse.

    Attributes:
        faults (list[str]): All faults, each with the name of its file.
    """

    def __init__(self, path: str | Path, faults: Iterable[str]) -> None:
        self.faults = list(faults)
        shown = '\n  '.join(self.faults[:20])
        more = f'\n  and {len(self.faults) - 20} more' if len(self.faults) > 20 else ''
        super().__init__(f'{path}: {len(self.faults)} fault(s)\n  {shown}{more}')


def write_submission(path: str | Path, keypoints_mm: np.ndarray, frame_ids: Sequence[int],
                     stems: Sequence[str] | None = None) -> None:
    """Write a submission: an archive if ``path`` ends in .zip, else a folder.

    Args:
        path: Zip file or folder. It appears when it is complete; an earlier submission is replaced.
        keypoints_mm: (N, 17, 3) or (N, 18, 3), mm, root at the origin; the thorax is not written.
        frame_ids: N image ids, 1-based.
        stems: N file names without suffix. Default: ids with five digits, such as '00001'.

    Raises:
        ValueError: If shapes do not fit together, an id or stem occurs twice, or a pose is not finite, not
            root-relative, or larger than ``LARGEST_MM``.
        FileExistsError: If ``path`` is a folder that holds other things than a submission.
    """
    path = Path(path)
    frame_ids = [int(frame_id) for frame_id in frame_ids]
    stems = [f'{frame_id:05d}' for frame_id in frame_ids] if stems is None else list(stems)
    poses = _round_poses(keypoints_mm, frame_ids, stems)
    # One template per pose is many times faster than np.savetxt.
    files = {f'{CSV_FOLDER}/{stem}.csv': _CSV_TEMPLATE % tuple(pose) for stem, pose in zip(stems, poses, strict=True)}
    entries = (f'{{"image_id": {frame_id}, "keypoints": [[{",".join(text.split())}]]}}'
               for frame_id, text in zip(frame_ids, files.values(), strict=True))
    files[JSON_NAME] = '[' + ',\n'.join(entries) + ']\n'
    if path.suffix.lower() == '.zip':
        with replace_when_done(path) as temporary, zipfile.ZipFile(temporary, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return
    if path.exists() and {item.name for item in path.iterdir()} - {CSV_FOLDER, JSON_NAME}:
        raise FileExistsError(f'{path} holds other things than a submission; give a new folder or a .zip name')
    with replace_when_done(path) as temporary:
        (temporary / CSV_FOLDER).mkdir(parents=True)
        for name, text in files.items():
            (temporary / name).write_text(text)


def _round_poses(keypoints_mm: np.ndarray, frame_ids: list[int], stems: list[str]) -> list[list[float]]:
    """Check the poses, and round the 51 numbers of each to two decimals."""
    poses = np.asarray(keypoints_mm, dtype=np.float64)
    if poses.ndim != 3 or poses.shape[1:] not in ((NUM_FILE_JOINTS, 3), (NUM_JOINTS, 3)):
        raise ValueError(f'keypoints_mm: shape (N, 17, 3) or (N, 18, 3) expected, got {poses.shape}')
    if not len(poses) == len(frame_ids) == len(stems):
        raise ValueError('keypoints_mm, frame_ids, stems: equal lengths expected, got '
                         f'{len(poses)}, {len(frame_ids)}, {len(stems)}')
    for name, values in (('frame_ids', frame_ids), ('stems', stems)):
        if len(set(values)) != len(values):
            raise ValueError(f'{name}: {Counter(values).most_common(1)[0][0]} is there more than once')
    for fault, bad in (('is not finite', ~np.isfinite(poses).all(axis=(1, 2))),
                       (f'has a coordinate above {LARGEST_MM:g} mm',
                        np.abs(poses).max(axis=(1, 2), initial=0) > LARGEST_MM),
                       ('does not have its root at the origin', np.abs(poses[:, 0]).max(axis=1, initial=0) > 0)):
        if bad.any():
            raise ValueError(f'keypoints_mm: the pose of frame {frame_ids[int(np.argmax(bad))]} {fault} '
                             f'({bad.sum()} such frames)')
    return (poses[:, :NUM_FILE_JOINTS].reshape(len(poses), -1).round(2) + 0.0).tolist()  # + 0.0 turns -0.0 into 0.0


def validate_submission(path: str | Path, index: H80KIndex) -> None:
    """Raise :class:`SubmissionError` if :func:`find_faults` finds any."""
    faults = find_faults(path, index)
    if faults:
        raise SubmissionError(path, faults)


def find_faults(path: str | Path, index: H80KIndex) -> list[str]:
    """List all faults of a submission.

    Args:
        path: Archive or folder.
        index: Index of Test, which lists the required frames.
    """
    expected = {f'{CSV_FOLDER}/{PurePosixPath(img_path).stem}.csv': frame_id
                for img_path, frame_id in zip(index.img_paths.tolist(), index.frame_ids.tolist(), strict=True)}
    try:
        limits = dict.fromkeys(expected, MAX_POSE_BYTES)
        limits[JSON_NAME] = 1_000_000 + _JSON_BYTES_PER_FRAME * len(expected)
        files, faults = _read_files(Path(path), limits)
    except (OSError, UnreadableFile) as error:
        return [f'{path} cannot be read as a ZIP archive or a folder: {error}']
    faults += [f'{name} is missing' for name in (*expected, JSON_NAME) if name not in files]
    poses = {}
    for name, frame_id in expected.items():
        if (content := files.get(name)) is not None:
            try:
                poses[frame_id] = _check_pose(parse_pose(content.decode(errors='replace').splitlines()))
            except ValueError as error:
                faults.append(f'{name} {error}')
    if (content := files.get(JSON_NAME)) is not None:
        faults += [f'{JSON_NAME} {fault}' for fault in _check_json(content, set(expected.values()), poses)]
    return faults


def _read_files(path: Path, limits: dict[str, int]) -> tuple[dict[str, bytes | None], list[str]]:
    """Read the wanted files by name (None: unreadable), and list faults of names that are not wanted or occur twice.

    The keys of ``limits`` are the names of the wanted files, and its values their largest sizes, bytes.
    """
    if path.is_dir():
        names = [file.relative_to(path).as_posix() for file in sorted(path.rglob('*')) if not file.is_dir()]
        return _read_wanted([(name, functools.partial(read_limited, path / name)) for name in names], limits)
    with open_archive(path) as archive:
        return _read_wanted([(info.filename, functools.partial(read_member, archive, info, info.filename))
                             for info in archive.infolist() if not info.filename.endswith('/')], limits)


def _read_wanted(readers: list[tuple[str, Callable[[int], bytes]]],
                 limits: dict[str, int]) -> tuple[dict[str, bytes | None], list[str]]:
    """Read the files of :func:`_read_files` with functions of their largest size, one per name."""
    files: dict[str, bytes | None] = {}
    faults = []
    for name, read in readers:
        if name in files:
            faults.append(f'{in_line(name)} is there more than once')
        elif name not in limits:
            faults.append(f'{in_line(name)} is not expected')
        else:
            files[name] = None
            try:
                files[name] = read(limits[name])
            except UnreadableFile as error:
                faults.append(f'{in_line(name)} {error.reason}')
            except OSError as error:
                faults.append(f'{in_line(name)} cannot be read ({error.strerror})')
    return files, faults


def _check_pose(pose: np.ndarray) -> np.ndarray:
    """Return a (17, 3) pose, or raise ValueError with its fault."""
    if not np.isfinite(pose).all():
        raise ValueError('has values that are not finite')
    if np.abs(pose[0]).max() > 0:
        raise ValueError(f'is not root-relative: its first row is {pose[0].tolist()}, zeros expected')
    return pose


def _check_json(content: bytes, frame_ids: set[int], poses: dict[int, np.ndarray]) -> list[str]:
    """List faults of the JSON summary, given the required ids and the poses of the CSV files."""
    try:
        entries = parse_json(content, object_pairs_hook=_unique_keys)
    except FaultyFile as error:
        return [str(error)]
    except ValueError as error:
        return [f'is not JSON: {error}']
    if not isinstance(entries, list):
        return [f'holds a {type(entries).__name__}, a list expected']
    faults = []
    seen: set[int] = set()
    for position, entry in enumerate(entries):
        frame_id = entry.get('image_id') if isinstance(entry, dict) else None
        if type(frame_id) is not int or frame_id not in frame_ids:
            faults.append(f'entry {position}: image_id {frame_id!r} is no Test frame')
            continue
        if frame_id in seen:
            faults.append(f'image_id {frame_id} is there more than once')
        seen.add(frame_id)
        try:
            _check_entry(entry.get('keypoints'), poses.get(frame_id))
        except ValueError as error:
            faults.append(f'image_id {frame_id}: {error}')
    return faults + [f'image_id {frame_id} is missing' for frame_id in sorted(frame_ids - seen)]


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of a JSON object, or raise FaultyFile if a key is repeated, which readers treat in different ways."""
    repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if repeated:
        raise FaultyFile(f'has the key {repeated[0]!r} more than once in one entry')
    return dict(pairs)


def _check_entry(keypoints: Any, pose: np.ndarray | None) -> None:
    """Raise ValueError with the fault of an entry, which is compared with the pose of a sound CSV file."""
    try:
        values = np.array(keypoints)
    except ValueError:
        raise ValueError('keypoints are ragged, [[51 numbers]] expected') from None
    if values.dtype.kind not in 'iuf':
        raise ValueError('keypoints hold something that is not a number, [[51 numbers]] expected')
    if values.shape != (1, NUM_FILE_JOINTS * 3):
        raise ValueError(f'keypoints have shape {values.shape}, (1, 51) expected')
    if any(isinstance(value, bool) for value in keypoints[0]):  # numpy takes true among numbers for 1
        raise ValueError('keypoints hold true or false, [[51 numbers]] expected')
    values = _check_pose(values.reshape(NUM_FILE_JOINTS, 3))
    if pose is not None and (difference := np.abs(values - pose).max()) > ROUNDING_MM:
        raise ValueError(f'differs from its CSV file by up to {difference:.2f} mm')
