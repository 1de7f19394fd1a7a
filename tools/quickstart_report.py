"""The closing table and the pictures of the quickstart."""
from pathlib import Path

import mmcv
import mmengine
import numpy as np
import torch
from torchvision.ops import box_iou

from mmpose_integral.evaluation.functional import mean_skeleton_length, mpjpe, rescale_to_bone_length
from mmpose_integral.formats.boxes import load_boxes
from mmpose_integral.formats.h80k_index import load_index
from mmpose_integral.utils.files import write_json, write_whole
from mmpose_integral.visualization import compose_panel, draw_curves, read_scalars, save_picture

BONE_LENGTHS = ('train+val', 'train', 'val', 'per-frame')
PICTURE_QUANTILES = (0.05, 0.35, 0.65, 0.95)  # of the frames' errors, from a good frame to a bad one


def _poses(data, split):
    return load_index(data / 'h80k' / 'annotations' / f'h80k_{split}.npz').keypoints_mm


def mean_pose_mpjpe(data):
    """MPJPE on Val, mm, of a predictor that always answers with the mean pose of Train: what no image can tell."""
    val = _poses(data, 'val')
    mean = np.broadcast_to(_poses(data, 'train').mean(0), val.shape)
    return float(mpjpe(mean, val).mean())


def detector_recall(data, split='val', threshold=0.5):
    """Share of frames whose one box overlaps the true person by an IoU of ``threshold`` or more."""
    boxes = load_boxes(data / 'h80k' / 'annotations' / f'h80k_{split}_boxes.json')
    with np.load(data / 'truth' / f'h80k_{split}.npz') as truth:
        ids, true_boxes = truth['frame_ids'].tolist(), torch.from_numpy(truth['bbox']).float()
    rows = [row for row, frame_id in enumerate(ids) if frame_id in boxes]
    if not rows:
        return 0.0
    found = torch.tensor([boxes[ids[row]] for row in rows])
    found[:, 2:] += found[:, :2]
    overlap = box_iou(found, true_boxes[rows]).diagonal()
    return float((overlap >= threshold).sum() / len(ids))


def write_results(data, work, seconds):
    """Collect all figures into ``results.json`` and ``RESULTS.md`` of the work folder.

    Args:
        data (Path): root of the stand-in data.
        work (Path): work folder of the quickstart.
        seconds (dict[str, float]): time of each stage.

    Returns:
        str: the Markdown table.
    """
    metrics = {flip: mmengine.load(work / f'{name}.json') for flip, name in ((False, 'val'), (True, 'val_flip'))}
    cameras = mmengine.load(data / 'h80k' / 'annotations' / 'h80k_train_cameras_summary.json')
    pck = mmengine.load(work / 'keypoints_2d.json')
    baseline = mean_pose_mpjpe(data)
    rows = [
        ('person detector, recall at IoU 0.5 on Val', f'{detector_recall(data):.3f}'),
        ('coarse 2D model, PCKh@0.5 on MPII val', f'{pck["PCK"]:.1f} %'),
        ('camera fit against the truth, joints', f'{cameras["truth_mean_error_px"]:.2f} px'),
        ('camera fit against the truth, scale', f'{cameras["truth_mean_abs_scale_error_percent"]:.2f} %'),
        ('mean-pose predictor, MPJPE on Val', f'{baseline:.1f} mm')]
    for length in BONE_LENGTHS:
        plain, flip = (metrics[f][f'h80k/MPJPE_{length}'] for f in (False, True))
        rows.append((f'integral model, MPJPE on Val, bone length {length}',
                     f'{plain:.1f} mm ({flip:.1f} with flip test)'))
    best = metrics[True]
    rows += [
        ("... with train+val length, over the mean pose's, without flip test",
         f'{metrics[False]["h80k/MPJPE_train+val"] / baseline:.3f}'),
        ('... rigid / similarity aligned', f'{best["h80k/R-MPJPE"]:.1f} / {best["h80k/PA-MPJPE"]:.1f} mm'),
        ('... PCK@150 / AUC', f'{best["h80k/PCK@150"]:.1f} / {best["h80k/AUC"]:.1f} %')]
    minutes = ', '.join(f'{name} {value:.0f}' for name, value in seconds.items())
    table = '\n'.join(['| figure | value |', '| --- | --- |', *(f'| {name} | {value} |' for name, value in rows),
                       '', f'{sum(seconds.values()) / 60:.1f} minutes in all; seconds a stage: {minutes}.',
                       f'Submission: {work / "submission.zip"} (validated). Pictures: {work / "pictures"}.'])
    write_whole(work / 'RESULTS.md', table + '\n')
    write_json(work / 'results.json', dict(rows))
    return table


def _predictions(work):
    """Samples of Val by frame id, as ``tools/test.py --dump`` wrote them."""
    return {int(sample['img_id']): sample for sample in mmengine.load(work / 'val_flip.pkl')}


def _as_array(values):
    return values.numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def draw_predictions(data, work, folder):
    """Val frames from good to bad: image with overlay, two views in mm, the truth beside the prediction."""
    samples = _predictions(work)
    index = load_index(data / 'h80k' / 'annotations' / 'h80k_val.npz')
    length = mean_skeleton_length(_poses(data, 'train'), index.keypoints_mm)
    px = np.stack([_as_array(samples[i]['pred_instances']['keypoints'])[0] for i in index.frame_ids.tolist()])
    mm = rescale_to_bone_length(px, length)
    errors = mpjpe(mm, index.keypoints_mm).mean(-1)
    with np.load(data / 'truth' / 'h80k_val.npz') as truth:
        true_px = truth['keypoints_2d']
    order, tiles = np.argsort(errors), []
    for number, quantile in enumerate(PICTURE_QUANTILES):
        row = order[int(quantile * (len(order) - 1))]
        sample = samples[int(index.frame_ids[row])]
        image = mmcv.imread(sample['img_path'], channel_order='rgb')
        panel = compose_panel(
            image, px[row], mm[row], true_px[row], index.keypoints_mm[row], height=420, layout='row',
            scores=_as_array(sample['pred_instances']['keypoint_scores'])[0],
            title=f'Val {index.frame_ids[row]:05d}, error at the {quantile:.0%} quantile')
        save_picture(panel, folder / f'val_{number}.png')
        tiles.append(panel)
    width = max(tile.shape[1] for tile in tiles)
    sheet = [np.pad(tile, ((0, 8), (0, width - tile.shape[1]), (0, 0)), constant_values=255) for tile in tiles]
    save_picture(np.concatenate(sheet), folder / 'val_predictions.png')


def draw_pictures(data, work):
    """All pictures of the quickstart, into ``<work>/pictures``."""
    folder = Path(work) / 'pictures'
    folder.mkdir(parents=True, exist_ok=True)
    draw_predictions(data, work, folder)
    curve = draw_curves(read_scalars(str(work / 'integral')), ['h80k/MPJPE_train+val'], mean_pose_mpjpe(data),
                        title='Integral model on the stand-in data, Val')
    save_picture(curve, folder / 'learning_curve.png')
    report = Path(data) / 'h80k' / 'annotations' / 'h80k_train_cameras.png'
    for source, name in ((report, 'cameras_train.png'), (work / 'standin_preview.jpg', 'standin_preview.jpg')):
        if source.exists():
            (folder / name).write_bytes(source.read_bytes())
