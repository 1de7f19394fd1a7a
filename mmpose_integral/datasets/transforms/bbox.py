import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.registry import TRANSFORMS


@TRANSFORMS.register_module()
class GetBBoxFromKeypoints(BaseTransform):
    """Person box = extent of the joints that are visible.

    For MPII, whose annotated scale is that of a square and would shrink people by the aspect fix, and for H80K with
    ``box_source='keypoints'``, the released code's way. Padding is left to mmpose's ``GetBBoxCenterScale``.

    Required keys: ``keypoints`` (1, K, 2 | 3) image px, ``keypoints_visible`` (1, K[, 3]).
    Modified keys: ``bbox`` (1, 4) xyxy image px; ``bbox_center`` and ``bbox_scale`` are removed, being stale.

    Args:
        min_extent (float): px; where the longer side is shorter, as with a single visible joint, the annotated box
            (if any) is kept.

    Raises:
        KeyError: such a sample has no annotated box either; the message names its image.
    """

    def __init__(self, min_extent=8.0):
        self.min_extent = min_extent

    def transform(self, results):
        """Set the box; see the class."""
        visible = results['keypoints_visible'] > 0
        if visible.ndim == 3:
            visible = visible[..., :2].all(-1)
        points = results['keypoints'][..., :2][visible]
        if len(points) and np.ptp(points, axis=0).max() >= self.min_extent:
            results['bbox'] = np.concatenate([points.min(0), points.max(0)])[None].astype(np.float32)
        elif 'bbox' not in results:
            raise KeyError(f'{results.get("img_path")}: {len(points)} visible joints give no box, and there is no '
                           'annotated one')
        results.pop('bbox_center', None)
        results.pop('bbox_scale', None)
        return results
