"""The modules of xtcocotools that MMPose 1.x imports, built on pycocotools."""
