"""The authors' challenge model: as `integral_r152_train_288x384.py`, trained on H80K Train + Val; for Test and photos.

Val is part of its training data, so its figures on Val are not meaningful.
"""
_base_ = './integral_r152_train_288x384.py'

released_weights = 'https://www.dropbox.com/s/o1xhp3vocnvtgu3/model_chall_trainval_152ft_384x288.pth.tar?dl=1'
