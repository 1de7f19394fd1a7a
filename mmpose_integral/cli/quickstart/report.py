"""Final table and pictures of the quickstart."""
import shutil
from pathlib import Path

import mmcv
import mmengine
import numpy as np
import torch
from torchvision.ops import box_convert, box_iou

from mmpose_integral.evaluation.functional import label_intrinsics, mean_skeleton_length, mpjpe, px_to_mm
from mmpose_integral.formats.boxes import load_boxes
from mmpose_integral.formats.h80k_index import H80KIndex, index_path, load_index_with_poses
from mmpose_integral.utils.files import write_json, write_whole
from mmpose_integral.visualization import Panel, People, draw_curves, read_scalars, save_picture
from mmpose_integral.visualization.batch_sheet import contact_sheet

BONE_LENGTHS = ('train+val', 'train', 'val', 'per-frame')
PICTURE_QUANTILES = (0.05, 0.35, 0.65, 0.95)
"""The frames at these quantiles of the error are drawn, from a good one to a bad one."""


def load_split(data: Path, split: str) -> tuple[H80KIndex, np.ndarray]:
    """Index and poses, (N, 18, 3) mm, of Train or Val."""
    return load_index_with_poses(index_path(data / 'h80k', split))


def mean_pose_mpjpe(data: Path) -> float:
    """MPJPE on Val, mm, of a predictor that always returns the mean pose of Train and uses no image."""
    (_, train), (_, val) = (load_split(data, split) for split in ('train', 'val'))
    return float(mpjpe(np.broadcast_to(train.mean(0), val.shape), val).mean())


def detector_recall(data: Path, split: str = 'val', threshold: float = 0.5) -> float:
    """Share of frames whose box overlaps the true person with an IoU of at least ``threshold``."""
    boxes = load_boxes(data / 'h80k' / 'annotations' / f'h80k_{split}_boxes.json', load_split(data, split)[0])
    with np.load(data / 'truth' / f'h80k_{split}.npz') as truth:
        ids, true_boxes = truth['frame_ids'].tolist(), torch.from_numpy(truth['bbox']).float()
    rows = [row for row, frame_id in enumerate(ids) if frame_id in boxes]
    found = torch.tensor([boxes[ids[row]] for row in rows]).reshape(-1, 4)
    overlap = box_iou(box_convert(found, 'xywh', 'xyxy'), true_boxes[rows]).diagonal()
    return float((overlap >= threshold).sum() / len(ids))


def write_results(data: Path, work: Path, seconds: dict[str, float]) -> str:
    """Write all figures to ``results.json`` and ``RESULTS.md``, with the time of each stage, s; return the table."""
    plain, flip, pck = (mmengine.load(work / f'{name}.json') for name in ('val', 'val_flip', 'keypoints_2d'))
    cameras = mmengine.load(data / 'h80k' / 'annotations' / 'h80k_train_perspective_cameras_summary.json')
    baseline = mean_pose_mpjpe(data)
    rows = [
        ('person detector, recall at IoU 0.5 on Val', f'{detector_recall(data):.3f}'),
        ('coarse 2D model, PCKh@0.5 on MPII val', f'{pck["PCK"]:.1f} %'),
        ('camera fit against the truth, joints', f'{cameras["truth_mean_error_px"]:.2f} px'),
        ('camera fit against the truth, scale', f'{cameras["truth_mean_abs_scale_error_percent"]:.2f} %'),
        ('mean-pose predictor, MPJPE on Val', f'{baseline:.1f} mm'),
        *((f'integral model, MPJPE on Val, bone length {length}',
           f'{plain[f"h80k/MPJPE_{length}"]:.1f} mm ({flip[f"h80k/MPJPE_{length}"]:.1f} with flip test)')
          for length in BONE_LENGTHS),
        ('... with train+val length, divided by that of the mean pose, without flip test',
         f'{plain["h80k/MPJPE_train+val"] / baseline:.3f}'),
        ('... rigid / similarity aligned', f'{flip["h80k/R-MPJPE"]:.1f} / {flip["h80k/PA-MPJPE"]:.1f} mm'),
        ('... PCK@150 / AUC', f'{flip["h80k/PCK@150"]:.1f} / {flip["h80k/AUC"]:.1f} %')]
    stages = ', '.join(f'{name} {value:.0f}' for name, value in seconds.items())
    table = '\n'.join(['| figure | value |', '| --- | --- |', *(f'| {name} | {value} |' for name, value in rows),
                       '', f'{sum(seconds.values()) / 60:.1f} minutes in total; seconds per stage: {stages}.',
                       f'Submission: {work / "submission.zip"} (validated). Pictures: {work / "pictures"}.'])
    write_whole(work / 'RESULTS.md', table + '\n')
    write_json(work / 'results.json', dict(rows))
    return table


def draw_predictions(data: Path, work: Path, folder: Path) -> None:
    """Draw Val frames from good to bad: image with overlay, and two views in mm; the truth beside the prediction."""
    samples = {int(sample['img_id']): sample for sample in mmengine.load(work / 'val_flip.pkl')}
    (_, train), (index, truth_mm) = (load_split(data, split) for split in ('train', 'val'))
    instances = [samples[frame_id]['pred_instances'] for frame_id in index.frame_ids.tolist()]
    px = np.concatenate([np.asarray(one['keypoints']) for one in instances])
    intrinsics = np.array([label_intrinsics(samples[frame_id]) for frame_id in index.frame_ids.tolist()], dtype=float)
    mm = px_to_mm(px, mean_skeleton_length(train, truth_mm), intrinsics).keypoints
    with np.load(data / 'truth' / 'h80k_val.npz') as truth:
        truth_px = truth['keypoints_2d']
    order, panels = np.argsort(mpjpe(mm, truth_mm).mean(-1)), []
    for number, quantile in enumerate(PICTURE_QUANTILES):
        row = order[int(quantile * (len(order) - 1))]
        frame_id = int(index.frame_ids[row])
        image = mmcv.imread(samples[frame_id]['img_path'], channel_order='rgb')
        pred = People(px[[row]], mm[[row]], np.asarray(instances[row]['keypoint_scores']))
        panels.append(Panel(height=420, layout='row').draw(
            image, pred, People(truth_px[[row]], truth_mm[[row]]),
            f'Val {frame_id:05d}, error at the {quantile:.0%} quantile'))
        save_picture(panels[-1], folder / f'val_{number}.png')
    save_picture(contact_sheet(panels, columns=1), folder / 'val_predictions.png')


def draw_pictures(data: Path, work: Path) -> None:
    """Draw all pictures of the quickstart into ``<work>/pictures``."""
    folder = work / 'pictures'
    folder.mkdir(parents=True, exist_ok=True)
    draw_predictions(data, work, folder)
    curve = draw_curves(read_scalars(work / 'integral'), ['h80k/MPJPE_train+val'], mean_pose_mpjpe(data),
                        title='Integral model on the stand-in data, Val')
    save_picture(curve, folder / 'learning_curve.png')
    report = data / 'h80k' / 'annotations' / 'h80k_train_perspective_cameras.png'
    for source, name in ((report, 'cameras_train.png'), (work / 'standin_preview.jpg', 'standin_preview.jpg')):
        if source.exists():
            shutil.copyfile(source, folder / name)
