"""Annotations and results in COCO's format."""
import json

from pycocotools import coco


class COCO(coco.COCO):
    """Annotations from a JSON file. An annotation without 'iscrowd' is not a crowd.

    Args:
        annotation_file: Path of the file. None gives an empty object.
    """

    def __init__(self, annotation_file: str | None = None) -> None:
        super().__init__(annotation_file)
        for annotation in self.dataset.get('annotations', []):
            annotation.setdefault('iscrowd', False)

    def loadRes(self, resFile: str | list[dict]) -> coco.COCO:
        """Load any number of detections, even none, for these images.

        Args:
            resFile: Path of a JSON file, or its content.

        Returns:
            A COCO object whose annotations are the detections.
        """
        if isinstance(resFile, str):
            with open(resFile) as file:
                resFile = json.load(file)
        if len(resFile):
            return super().loadRes(resFile)
        result = COCO()
        result.dataset = {'images': list(self.dataset['images']), 'annotations': []}
        result.createIndex()
        return result
