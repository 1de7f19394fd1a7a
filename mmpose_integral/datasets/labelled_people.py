"""MPII and COCO for training: mmpose's data sets, without people who have too few of our joints."""
import numpy as np
from mmengine.logging import MMLogger
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.datasets.datasets.body import CocoDataset, MpiiDataset
from mmpose.registry import DATASETS

from mmpose_integral.structures.skeleton import JOINT_MAPS
from mmpose_integral.utils.errors import reason_of
from mmpose_integral.utils.reading import check_size


class LabelledPeople(BaseCocoStyleDataset):
    """Base that leaves out people with few joints or without a finite box in training, and masks damaged joints.

    The released code leaves out people with few joints, too.

    Args:
        min_keypoints: Smallest number of labelled joints among our 18. Other people are left out, and their number is
            logged. In test mode all people are kept.
        **kwargs: Arguments of mmpose's data set.
    """

    def __init__(self, *, min_keypoints: int = 2, **kwargs: object) -> None:
        self.min_keypoints = min_keypoints
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """List the people of the file, see mmpose's class; ValueError if it holds something else."""
        if '://' not in self.ann_file:
            check_size(self.ann_file, 'JSON file of annotations')
        try:
            return super().load_data_list()
        except OSError:
            raise
        except Exception as error:  # mmpose checks nothing, so that other content can raise nearly any exception
            raise ValueError(f'{self.ann_file} is no file of annotations in the format of '
                             f'{self.metainfo["dataset_name"]} ({reason_of(error)})') from error

    def filter_data(self) -> list[dict]:
        """Mask joints that are not finite, then leave out people; mmengine calls it once, after loading."""
        people = super().filter_data()
        if self.test_mode:
            return people
        logger, name = MMLogger.get_current_instance(), self.metainfo['dataset_name']
        damaged = [person for person in people if not np.isfinite(person['keypoints']).all()]
        for person in damaged:
            finite = np.isfinite(person['keypoints']).all(-1)
            person['keypoints'] = np.where(finite[..., None], person['keypoints'], 0)
            person['keypoints_visible'] = np.where(finite, person['keypoints_visible'], 0)
        if damaged:
            logger.warning(f'{self.ann_file}: joints of {len(damaged)} people are not finite and are not used; the '
                           f'first is in {damaged[0]["img_path"]}')
        ours = [index for index in JOINT_MAPS[name] if index >= 0]
        kept = [person for person in people
                if np.count_nonzero(person['keypoints_visible'][0, ours] > 0) >= self.min_keypoints
                and np.isfinite(person['bbox']).all()]
        logger.info(f'{self.ann_file}: {len(kept)} of {len(people)} people have a finite box and at least '
                    f'{self.min_keypoints} of our joints; the other {len(people) - len(kept)} are left out')
        if not kept:
            raise ValueError(f'{self.ann_file}: none of {len(people)} people is left')
        return kept


@DATASETS.register_module()
class ZeroBasedMpiiDataset(LabelledPeople, MpiiDataset):
    """mmpose's MPII dataset with joints in 0-based pixels, as its box centres and all other datasets here are.

    MPII's annotation is 1-based. :class:`MpiiDataset` corrects the centre only. mmpose's PCK metric for MPII adds 1 to
    the predictions, so it expects models that were trained on 0-based joints. People with few joints are left out, see
    :class:`LabelledPeople`.
    """

    def _load_annotations(self) -> tuple[list[dict], list[dict]]:
        instances, images = super()._load_annotations()
        for instance in instances:
            instance['keypoints'] = instance['keypoints'] - 1
        return instances, images


@DATASETS.register_module()
class LabelledCocoDataset(LabelledPeople, CocoDataset):
    """mmpose's COCO dataset without people who have few of our joints, see :class:`LabelledPeople`."""
