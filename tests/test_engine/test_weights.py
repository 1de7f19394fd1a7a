"""A checkpoint of another model is told, whatever of it would fit."""
import pytest
import torch

from mmpose_integral.engine.weights import check_weights, check_weights_file


def make():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 5, 1), torch.nn.BatchNorm2d(5), torch.nn.Conv2d(5, 2, 1))


def test_its_own_weights_pass_with_prefix_without_buffers_and_with_more(tmp_path):
    weights = make().state_dict()
    check_weights(make(), weights)
    check_weights(make(), dict(state_dict={f'module.{name}': value for name, value in weights.items()}))
    check_weights(make(), dict(state_dict=dict({name: value for name, value in weights.items()
                                                if 'num_batches' not in name}, further=torch.ones(1))))
    torch.save(dict(state_dict=weights), tmp_path / 'a.pth')
    check_weights_file(make(), tmp_path / 'a.pth')


def test_others_are_refused(tmp_path):
    weights = make().state_dict()
    with pytest.raises(ValueError, match='it has no 0.weight, and 5 more are not there'):
        check_weights(make(), {f'x.{name}': value for name, value in weights.items()})
    lacking = {name: value for name, value in weights.items() if name != '2.bias'}
    with pytest.raises(ValueError, match='it has no 2.bias$'):
        check_weights(make(), lacking)
    torch.save(dict(state_dict=dict(weights, **{'2.weight': torch.zeros(4, 5, 1, 1)})), tmp_path / 'a.pth')
    with pytest.raises(ValueError, match=r'a.pth: .*2.weight has shape \(4, 5, 1, 1\), \(2, 5, 1, 1\) is expected'):
        check_weights_file(make(), tmp_path / 'a.pth')
